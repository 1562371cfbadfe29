"""Query-string hashes of our own making: each canonical form was worked out by hand.

They say what `tokens.target` must agree with wherever the published ones are not.
"""

OWN = (
    # method, target, canonical request
    ("GET", "", "GET&/&"),
    ("GET", "/", "GET&/&"),
    ("get", "/?", "GET&/&"),
    ("POST", "/lifecycle/installed", "POST&/lifecycle/installed&"),
    ("POST", "/lifecycle/installed/", "POST&/lifecycle/installed&"),
    ("GET", "/config?b=2&a=1", "GET&/config&a=1&b=2"),
    ("GET", "/config?B=1&a=2&A=3", "GET&/config&A=3&B=1&a=2"),
    ("GET", "/config?q=a+b", "GET&/config&q=a%20b"),
    ("GET", "/config?q=a%2Bb", "GET&/config&q=a%2Bb"),
    ("GET", "/config?q=x*y~z", "GET&/config&q=x%2Ay~z"),
    ("GET", "/config?q=b&q=a", "GET&/config&q=a,b"),
    ("GET", "/config?q=a,b", "GET&/config&q=a%2Cb"),
    ("GET", "/config?q", "GET&/config&q="),
    ("GET", "/config?jwt=token&q=1", "GET&/config&q=1"),
    ("GET", "/config&a=b?c=d", "GET&/config%26a=b&c=d"),
    ("GET", "/config?q=%C3%BC%20%E2%82%AC", "GET&/config&q=%C3%BC%20%E2%82%AC"),
    ("GET", "/config?q=x;y", "GET&/config&q=x%3By"),
    ("GET", "/a%20b/c%2Fd?x=1", "GET&/a%20b/c%2Fd&x=1"),
)
