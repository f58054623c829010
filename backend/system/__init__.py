"""What operators and programmers need: health, metrics, the OpenAPI document and its pages, the catalogue of problems."""
