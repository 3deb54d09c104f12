"""Writes come from programs and from this API's own pages, not from whatever page a browser happens to show."""

from fastapi import Request

from firehose_dagster.api.problems import ApiProblem

_OWN = frozenset({"same-origin", "none"})


def own_site_check(request: Request) -> None:
    """Ends a request that a page of another site made its browser send.

    Such a request needs no token where the API has none, and reaches an API on loopback. Every browser says whose
    request it is (`Sec-Fetch-Site`), and no page can change that; a program says nothing.
    """
    site = request.headers.get("sec-fetch-site", "none")
    if site not in _OWN:
        raise ApiProblem("cross-site", f"a page of another site sent this request ({site}); send it from a program")
