"""The page on which people sign in: plain HTML, so that nothing else is served to those who have not."""

from __future__ import annotations

from markupsafe import Markup

_PAGE = Markup(
    """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Sign in – Daybook</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="/console/icon.svg"><link rel="stylesheet" href="/console/console.css">
<script src="/console/theme.js"></script></head>
<body class="sign-in"><main><h1>Daybook</h1>{error}
<form method="post" action="/sign-in"><input type="hidden" name="to" value="{to}">
<p><label for="name">Your name</label>
<input id="name" name="name" value="{name}" autocomplete="username" maxlength="80" required></p>
<p class="hint" id="name-hint">It is written down of what you do.</p>
<p><label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required></p>
<p><button class="primary">Sign in</button></p></form></main></body></html>"""
)
_WRONG = Markup('<p class="error" role="alert">That is not a password of this console.</p>')


def sign_in_page(to: str, name: str = "", *, wrong: bool = False) -> str:
    """The page; ``to`` is where one goes on to."""
    return _PAGE.format(to=to, name=name, error=_WRONG if wrong else "")
