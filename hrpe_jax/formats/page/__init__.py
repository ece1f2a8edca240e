"""Pieces as one web page to look at and listen to."""

from hrpe_jax.formats.page.html import Choice, PagePiece, Sheet, build_page

__all__ = ["Choice", "PagePiece", "Sheet", "build_page"]
