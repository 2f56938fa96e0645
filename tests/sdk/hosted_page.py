"""A page where people pay, as a browser without scripts uses it: reads the form, fills it in, sends it
where the form says, and follows where that leads until it leaves the page's own site of paying."""

import http.client
from html.parser import HTMLParser
from urllib.parse import urlencode, urljoin, urlsplit

# Where the test provider's pages are; what is elsewhere is Farebox again.
PAYING = "/test-payments/"


class Reader(HTMLParser):
    """What a person sees, and the form that they can send."""

    def __init__(self, page):
        super().__init__()
        self.action, self.fields, self.choices = None, [], []
        self.texts, self.problem, self.is_alert = [], "", False
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.is_alert = attributes.get("role") == "alert"
        if tag == "form":
            self.action = attributes["action"]
        elif tag == "input":
            self.fields.append(attributes["name"])
        elif tag == "button" and "name" in attributes:
            self.choices.append((attributes["name"], attributes["value"]))

    def handle_data(self, text):
        self.texts.append(text)
        if self.is_alert:
            self.problem += text

    def handle_endtag(self, _):
        self.is_alert = False


class HostedPage:
    def __init__(self, url):
        self.left_for = None
        self.send("GET", url)

    def send(self, method, url, form=None):
        place = urlsplit(url)
        connection = http.client.HTTPConnection(place.netloc, timeout=30)
        body = urlencode(form) if form else None
        headers = {"content-type": "application/x-www-form-urlencoded"} if form else {}
        connection.request(method, f"{place.path}?{place.query}".rstrip("?"), body, headers)
        answer = connection.getresponse()
        page, self.status, self.url = answer.read().decode(), answer.status, url
        connection.close()
        leads_to = answer.getheader("location")
        if leads_to is None:
            read = Reader(page)
            self.action, self.fields, self.choices = read.action, read.fields, read.choices
            self.text, self.problem = " ".join("".join(read.texts).split()), read.problem.strip()
        elif urlsplit(urljoin(url, leads_to)).path.startswith(PAYING):
            self.send("GET", urljoin(url, leads_to))
        else:
            self.left_for = urljoin(url, leads_to)

    def type(self, **typed):
        """Fills in all fields of the form, and sends it."""
        assert sorted(typed) == sorted(self.fields)
        self.send("POST", urljoin(self.url, self.action), typed)

    def choose(self, name, value):
        """Presses a button that says something."""
        assert (name, value) in self.choices
        self.send("POST", urljoin(self.url, self.action), {name: value})
