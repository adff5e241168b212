"""Pure: text and documents from a View."""
