"""A studio without a model in a process of its own: `serve_fake.py FOLDER` prints its address."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from hrpe_jax.server.jobs import Jobs
from hrpe_jax.server.serve import access_for, listen, start
from hrpe_jax.server.store import Store
from tests.server.fake import FakeComposer

if __name__ == "__main__":
    running = start(Store(sys.argv[1]), Jobs(FakeComposer), access_for("127.0.0.1"), listen("127.0.0.1", 0))
    print(running.url, flush=True)
    running.thread.join()
