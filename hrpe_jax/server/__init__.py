"""The studio: projects as documents, a local server with its API and page, and the same calls over MCP."""
