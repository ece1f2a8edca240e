"""Tokens <-> Score: vocabularies, the codecs of both stages, and their grammars."""
