"""
One table of requests, each put to a real Consul and to something that claims to be one.

``table`` has the requests in scenes, ``play`` sends them, ``compare`` judges what came back, and
``deliberate`` lists the few places where the edge answers differently, with reasons.
"""
