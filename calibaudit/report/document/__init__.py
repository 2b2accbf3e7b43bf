"""Results as a document: HTML and Markdown."""
