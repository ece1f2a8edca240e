"""Package definition. Lower bounds only: an upper cap would break platforms whose jax is preinstalled."""

from pathlib import Path

from setuptools import find_packages, setup

EXTRAS = {
    "audio": ["soundfile>=0.12", "midirenderer>=0.1.3"],
    "engrave": ["verovio>=4.3", "svglib>=1.5"],
    "corpus": ["music21>=9.1"],
    "tensorboard": ["tensorboardX>=2.6"],
    "beam": ["apache-beam>=2.60"],
    "docs": ["mkdocs-material>=9.5", "mkdocstrings[python]>=0.26"],
    "notebooks": ["nbclient>=0.10", "ipykernel>=6.29"],
    "tpu": ["jax[tpu]>=0.7.2"],
    "test": [
        "pytest>=8",
        "pytest-xdist>=3.6",
        "hypothesis>=6.100",
        "ruff>=0.6",
        "mypy>=1.11",
        "mir_eval>=0.7",
        "music21>=9.1",
        "verovio>=4.3",
        "svglib>=1.5",
        "soundfile>=0.12",
        "midirenderer>=0.1.3",
        "lxml>=5",  # with the next: checks what is written against the schema of MusicXML 4.0
        "musicxml>=1.4",
    ],
}

setup(
    name="hrpe_jax",
    version="0.1.0",
    description="Music generation in JAX: chords with harmonic relative attention, and a melody over them",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11",
    packages=[*find_packages(include=["hrpe_jax", "hrpe_jax.*"]), "hrpe_jax.configs"],
    package_dir={"hrpe_jax.configs": "configs"},
    package_data={
        "hrpe_jax": ["py.typed"],
        "hrpe_jax.utils": ["*.json"],
        "hrpe_jax.pretrained": ["*.json", "*.safetensors", "*.md"],
        "hrpe_jax.analysis.fitted": ["*.json"],
        "hrpe_jax.arranging": ["patterns/*.txt"],
        "hrpe_jax.formats.page": ["*.css", "*.js"],
    },
    install_requires=[
        "jax>=0.7.2",
        "flax>=0.11",
        "optax>=0.2.5",
        "orbax-checkpoint>=0.11.25",
        "grain>=0.2.12",
        "array-record>=0.8; sys_platform != 'win32'",  # no wheels there: data.shards has another file
        "pretty_midi>=0.2.10",
        "ml-collections>=1.0",
        "absl-py>=2.1",
        "chex>=0.1.90",
        "numpy>=1.26",
        "symusic>=0.6.0",
        "safetensors>=0.4",
        "rich>=13",
        "filelock>=3.20",
        "psutil>=5.9",
    ],
    extras_require=EXTRAS,
    entry_points={"console_scripts": ["hrpe-jax = hrpe_jax.__main__:main"]},
    classifiers=[
        "Development Status :: 4 - Beta",
        "Environment :: Console",
        "Intended Audience :: Science/Research",
        "Intended Audience :: End Users/Desktop",
        "License :: OSI Approved :: Apache Software License",
        "Operating System :: OS Independent",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3 :: Only",
        "Topic :: Multimedia :: Sound/Audio :: MIDI",
        "Topic :: Artistic Software",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Typing :: Typed",
    ],
    keywords="music generation, harmony, chords, lead sheet, transformer, jax, flax, midi, musicxml",
)
