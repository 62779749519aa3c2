"""Where the book's repository is: known where the environment says so, as GitHub's own jobs and a fork's do.

``GITHUB_REPOSITORY`` holds owner/name, ``GITHUB_SERVER_URL`` the server.  Without them the book has no address, and no
page has a link that needs one.
"""

import os
import re
from urllib.parse import quote, urlencode

FORM = "contest.yml"  # in .github/ISSUE_TEMPLATE
NOTEBOOKS = "notebooks"  # the branch on which .github/workflows/book.yml puts the executed notebooks


def repository() -> str:
    """The address of the repository; "" where it is not known.  ValueError: it is not owner/name on a server."""
    name, server = os.environ.get("GITHUB_REPOSITORY", ""), os.environ.get("GITHUB_SERVER_URL") or "https://github.com"
    if not name:
        return ""
    if not re.fullmatch(r"[\w-][\w.-]*/[\w.-]+", name, re.ASCII):
        raise ValueError(f"GITHUB_REPOSITORY={name[:80]!r}: write owner/name, or leave it out")
    if not re.fullmatch(r"https://[\w.:-]+", server, re.ASCII):
        raise ValueError(f"GITHUB_SERVER_URL={server[:80]!r}: write an address such as https://github.com")
    return f"{server}/{name}"


def contest(claim: str) -> str:
    """The address of a form that contests the verdict on a claim; "" where the repository is not known."""
    where = repository()
    given = {"template": FORM, "title": f"Contest {claim}", "claim": claim}
    return f"{where}/issues/new?{urlencode(given, quote_via=quote)}" if where else ""
