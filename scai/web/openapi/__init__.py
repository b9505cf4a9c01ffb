"""The API described once, as values: for /openapi.json and the page /docs."""
