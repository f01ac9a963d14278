"""
Comparing a document with its shape: every field that is promised, with its type.

A shape is a type, or several in a tuple; ``[shape]`` is a list of such with at least one in it, a
mapping has the fields that must be there.  Further fields are nobody's harm.
"""

from collections.abc import Iterator


def wrong(value: object, shape: object, where: str = "") -> Iterator[str]:
    """
    Tell what is missing or of another type.

    >>> list(wrong({"a": 1, "b": [{"c": ""}]}, {"a": str, "b": [{"c": str, "d": int}]}))
    ['.a: 1 is no str', '.b[0].d: missing']
    >>> list(wrong([True], [int])), list(wrong([], [int])), list(wrong(1, (int, float)))
    (['[0]: True is no int'], [': [] is no list with something in it'], [])
    """
    if isinstance(shape, dict):
        if not isinstance(value, dict):
            yield f"{where}: {value!r} is no object"
            return
        for name, inner in shape.items():
            if name in value:
                yield from wrong(value[name], inner, f"{where}.{name}")
            else:
                yield f"{where}.{name}: missing"
    elif isinstance(shape, list):
        if not isinstance(value, list) or not value:
            yield f"{where}: {value!r} is no list with something in it"
            return
        for place, one in enumerate(value):
            yield from wrong(one, shape[0], f"{where}[{place}]")
    else:
        types = shape if isinstance(shape, tuple) else (shape,)
        # To Python a truth is a number, to a reader of JSON it is none.
        if type(value) not in types:
            yield f"{where}: {value!r} is no {' or '.join(one.__name__ for one in types)}"
