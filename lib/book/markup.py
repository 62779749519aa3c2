"""HTML of the pages that the book makes: tables, figures, numbers."""

from lib import claims


def figure(name: str, body: str, caption: str) -> str:
    return raw(f'<figure class="result" id="fig-{name}">{body}<figcaption>{caption}</figcaption></figure>')


def table(head: tuple[str, ...], rows: list[tuple[str, ...]], kind: str) -> str:
    cells = "".join(f"<th>{h}</th>" for h in head)
    body = "".join("<tr>" + "".join(f"<td>{c}</td>" for c in row) + "</tr>\n" for row in rows)
    head_ = f"<thead><tr>{cells}</tr></thead>"
    region = '<div class="scroll" tabindex="0" role="region" aria-label="table">'
    return f'{region}<table class="table {kind}">{head_}\n<tbody>\n{body}</tbody></table></div>'


def raw(text: str) -> str:
    return f"```{{raw}} html\n{text}\n```"


def number(value: float) -> str:
    return claims.shown(value).replace("-", "−")


def words(value) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
