"""The OpenAPI document: what is written by hand, what is made of the code, and who serves it."""
