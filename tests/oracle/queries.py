"""Nexmark's queries, one event at a time: plain Python that shows each rule once and drops no state.

A query is told of each event, then of the end of each epoch, and then gives the epoch's changes.
"""

import datetime
from collections import Counter, defaultdict, namedtuple

Person = namedtuple("Person", "n id name email_address credit_card city state date_time extra")
Auction = namedtuple(
    "Auction", "n id item_name description initial_bid reserve date_time expires seller category extra"
)
Bid = namedtuple("Bid", "n auction bidder price channel url date_time extra")
KINDS = {"person": Person, "auction": Auction, "bid": Bid}

TEN_SECONDS = 10_000
DAY = 86_400_000


def row(*values):
    return ",".join(map(str, values))


def day(time):
    """2015-07-15, in UTC."""
    return (datetime.date(1970, 1, 1) + datetime.timedelta(days=time // DAY)).isoformat()


def minute(time):
    """00:07, in UTC."""
    minutes = time % DAY // 60_000
    return f"{minutes // 60:02}:{minutes % 60:02}"


def euros(price):
    return f"{price * 908 // 1000}.{price * 908 % 1000:03}"


def rank(price):
    return 1 if price < 10_000 else 2 if price < 1_000_000 else 3


class Query:
    """What a query does with events that it has no use for."""

    closes = False  # whether it waits for event time to pass

    def __init__(self, schedule):
        self.schedule = schedule

    def person(self, person):
        pass

    def auction(self, auction):
        pass

    def bid(self, bid):
        pass

    def end_of_epoch(self, event_time, due):
        """No later event is before the event time or due before `due`; both are infinite at the input's end."""


class Append(Query):
    """Rows are only added."""

    def __init__(self, schedule):
        super().__init__(schedule)
        self.rows = []

    def emit(self, *values):
        self.rows.append((1, row(*values)))

    def changes(self):
        rows, self.rows = self.rows, []
        return rows


class Changelog(Query):
    """Each key has rows that change."""

    def __init__(self, schedule):
        super().__init__(schedule)
        self.before = {}  # the rows that the keys touched in this epoch had when it began

    def touch(self, key):
        """To be called before anything changes that the key's rows depend on."""
        if key not in self.before:
            self.before[key] = self.rows_of(key)

    def changes(self):
        net = Counter()
        for key, rows in self.before.items():
            net.subtract(rows)
            net.update(self.rows_of(key))
        self.before = {}
        return [(diff, row) for row, diff in net.items() if diff]


class Q0(Append):
    def bid(self, b):
        self.emit(b.auction, b.bidder, b.price, b.date_time, b.extra)


class Q1(Append):
    def bid(self, b):
        self.emit(b.auction, b.bidder, euros(b.price), b.date_time, b.extra)


class Q2(Append):
    def bid(self, b):
        if b.auction % 123 == 0:
            self.emit(b.auction, b.price)


class Q3(Append):
    """People and auctions wait for each other."""

    def __init__(self, schedule):
        super().__init__(schedule)
        self.people, self.auctions = {}, defaultdict(list)

    def person(self, p):
        if p.state in ("OR", "ID", "CA"):
            self.people[p.id] = p
            for auction in self.auctions[p.id]:
                self.emit(p.name, p.city, p.state, auction)

    def auction(self, a):
        if a.category == 10:
            self.auctions[a.seller].append(a.id)
            if p := self.people.get(a.seller):
                self.emit(p.name, p.city, p.state, a.id)


class Winners(Changelog):
    """The best valid bid of each auction so far."""

    def __init__(self, schedule):
        super().__init__(schedule)
        self.auctions, self.winner = {}, {}
        self.early = defaultdict(list)  # bids that came before their auction

    def auction(self, a):
        self.auctions[a.id] = a
        for bid in self.early.pop(a.id, []):
            self.bid(bid)

    def bid(self, b):
        a = self.auctions.get(b.auction)
        if not a:
            self.early[b.auction].append(b)
        elif a.date_time <= b.date_time <= a.expires:
            best = self.winner.get(a.id)
            if not best or (-b.price, b.date_time, b.n) < (-best.price, best.date_time, best.n):
                self.wins(a, b, best)

    def wins(self, auction, bid, before):
        """The auction's winning bid is this one now, in place of `before`."""
        self.winner[auction.id] = bid


class Q4(Winners):
    def __init__(self, schedule):
        super().__init__(schedule)
        self.sum, self.count = Counter(), Counter()

    def wins(self, auction, bid, before):
        super().wins(auction, bid, before)
        self.touch(auction.category)
        self.sum[auction.category] += bid.price - (before.price if before else 0)
        self.count[auction.category] += not before

    def rows_of(self, category):
        count = self.count[category]
        return [row(category, self.sum[category] // count)] if count else []


class Q5(Append):
    closes = True

    def __init__(self, schedule):
        super().__init__(schedule)
        self.windows = defaultdict(Counter)  # by start

    def bid(self, b):
        last = b.date_time // 2000 * 2000
        for start in range(last - 8000, last + 1, 2000):
            self.windows[start][b.auction] += 1

    def end_of_epoch(self, event_time, due):
        for start in [s for s in self.windows if s + TEN_SECONDS <= event_time]:
            counts = self.windows.pop(start)
            most = max(counts.values())
            for auction, count in counts.items():
                if count == most:
                    self.emit(auction, count)


class Q6(Winners):
    closes = True

    def __init__(self, schedule):
        super().__init__(schedule)
        self.open, self.closed = set(), defaultdict(list)

    def auction(self, a):
        self.open.add(a.id)
        super().auction(a)

    def end_of_epoch(self, event_time, due):
        for id in [id for id in self.open if self.auctions[id].expires < event_time]:
            self.open.remove(id)
            auction = self.auctions[id]
            if winner := self.winner.get(id):
                self.touch(auction.seller)
                self.closed[auction.seller].append((auction.expires, auction.n, winner.price))

    def rows_of(self, seller):
        prices = [price for _, _, price in sorted(self.closed[seller])[-10:]]
        return [row(seller, sum(prices) // len(prices))] if prices else []


class Q7(Append):
    closes = True

    def __init__(self, schedule):
        super().__init__(schedule)
        self.windows = defaultdict(list)

    def bid(self, b):
        self.windows[b.date_time // TEN_SECONDS * TEN_SECONDS].append(b)

    def end_of_epoch(self, event_time, due):
        for start in [s for s in self.windows if s + TEN_SECONDS <= event_time]:
            bids = self.windows.pop(start)
            highest = max(b.price for b in bids)
            for b in bids:
                if b.price == highest:
                    self.emit(b.auction, b.bidder, b.price, b.date_time, b.extra)


class Q8(Append):
    closes = True

    def __init__(self, schedule):
        super().__init__(schedule)
        self.people, self.sellers = defaultdict(set), defaultdict(set)

    def person(self, p):
        self.people[p.date_time // TEN_SECONDS * TEN_SECONDS].add((p.id, p.name))

    def auction(self, a):
        self.sellers[a.date_time // TEN_SECONDS * TEN_SECONDS].add(a.seller)

    def end_of_epoch(self, event_time, due):
        for start in [s for s in self.people if s + TEN_SECONDS <= event_time]:
            for id, name in self.people.pop(start):
                if id in self.sellers[start]:
                    self.emit(id, name, start)


class Q9(Winners):
    def wins(self, auction, bid, before):
        self.touch(auction.id)
        super().wins(auction, bid, before)

    def rows_of(self, id):
        b = self.winner.get(id)
        return [row(*self.auctions[id][1:], b.auction, b.bidder, b.price, b.date_time, b.extra)] if b else []


class Q10(Append):
    def bid(self, b):
        self.emit(b.auction, b.bidder, b.price, b.date_time, b.extra, day(b.date_time), minute(b.date_time))


class Q11(Append):
    closes = True

    def __init__(self, schedule):
        super().__init__(schedule)
        self.sessions = defaultdict(list)  # bidder: [(first, last, count)], far enough apart

    def bid(self, b):
        first = last = b.date_time
        count, apart = 1, []
        for session in self.sessions[b.bidder]:
            if session[0] - last < TEN_SECONDS and first - session[1] < TEN_SECONDS:
                first, last, count = min(first, session[0]), max(last, session[1]), count + session[2]
            else:
                apart.append(session)
        self.sessions[b.bidder] = apart + [(first, last, count)]

    def end_of_epoch(self, event_time, due):
        for bidder, sessions in list(self.sessions.items()):
            ended = [s for s in sessions if s[1] + TEN_SECONDS <= event_time]
            for first, last, count in ended:
                self.emit(bidder, count, first, last + TEN_SECONDS)
            if len(ended) == len(sessions):
                del self.sessions[bidder]
            elif ended:
                self.sessions[bidder] = [s for s in sessions if s not in ended]


class Q12(Append):
    def __init__(self, schedule):
        super().__init__(schedule)
        self.windows = defaultdict(Counter)

    def bid(self, b):
        self.windows[self.schedule.due(b.n) // TEN_SECONDS * TEN_SECONDS][b.bidder] += 1

    def end_of_epoch(self, event_time, due):
        for start in [s for s in self.windows if s + TEN_SECONDS <= due]:
            for bidder, count in self.windows.pop(start).items():
                self.emit(bidder, count, start, start + TEN_SECONDS)


class Q13(Append):
    def bid(self, b):
        self.emit(b.auction, b.bidder, b.price, b.date_time, b.auction % 10_000)


class Q14(Append):
    def bid(self, b):
        if 1_000_000_000 < 908 * b.price < 50_000_000_000:
            hour = b.date_time % DAY // 3_600_000
            kind = "dayTime" if 8 <= hour <= 18 else "nightTime" if hour <= 6 or hour >= 20 else "otherTime"
            self.emit(b.auction, b.bidder, euros(b.price), kind, b.date_time, b.extra, b.extra.count("c"))


class Statistics:
    """Numbers of bids, and who made them for which auctions: in total, and for each rank."""

    def __init__(self):
        self.bids = [0] * 4
        self.bidders = [set() for _ in range(4)]
        self.auctions = [set() for _ in range(4)]
        self.minute = ""

    def add(self, b):
        self.minute = max(self.minute, minute(b.date_time))
        for of in (0, rank(b.price)):
            self.bids[of] += 1
            self.bidders[of].add(b.bidder)
            self.auctions[of].add(b.auction)

    def numbers(self):
        return [*self.bids, *map(len, self.bidders), *map(len, self.auctions)]


class Q15(Changelog):
    def __init__(self, schedule):
        super().__init__(schedule)
        self.statistics = {}

    def bid(self, b):
        self.count(day(b.date_time), b)

    def count(self, key, b):
        self.touch(key)
        self.statistics.setdefault(key, Statistics()).add(b)

    def rows_of(self, key):
        statistics = self.statistics.get(key)
        return [row(key, *statistics.numbers())] if statistics else []


class Q16(Q15):
    def bid(self, b):
        self.count((b.channel, day(b.date_time)), b)

    def rows_of(self, key):
        statistics = self.statistics.get(key)
        return [row(*key, statistics.minute, *statistics.numbers())] if statistics else []


class Q17(Changelog):
    def __init__(self, schedule):
        super().__init__(schedule)
        self.prices = defaultdict(list)

    def bid(self, b):
        key = b.auction, day(b.date_time)
        self.touch(key)
        self.prices[key].append(b.price)

    def rows_of(self, key):
        prices = self.prices[key]
        if not prices:
            return []
        ranks = Counter(map(rank, prices))
        total = len(prices), ranks[1], ranks[2], ranks[3]
        return [row(*key, *total, min(prices), max(prices), sum(prices) // len(prices), sum(prices))]


class Q18(Changelog):
    def __init__(self, schedule):
        super().__init__(schedule)
        self.last = {}

    def bid(self, b):
        key = b.bidder, b.auction
        last = self.last.get(key)
        if not last or (b.date_time, b.n) > (last.date_time, last.n):
            self.touch(key)
            self.last[key] = b

    def rows_of(self, key):
        return [row(*self.last[key][1:])] if key in self.last else []


class Q19(Changelog):
    def __init__(self, schedule):
        super().__init__(schedule)
        self.best = defaultdict(list)

    def bid(self, b):
        self.touch(b.auction)
        self.best[b.auction] = sorted([*self.best[b.auction], b], key=lambda b: (-b.price, b.n))[:10]

    def rows_of(self, auction):
        return [row(*b[1:], place) for place, b in enumerate(self.best[auction], 1)]


class Q20(Append):
    def __init__(self, schedule):
        super().__init__(schedule)
        self.auctions, self.bids = {}, defaultdict(list)

    def auction(self, a):
        if a.category == 10:
            self.auctions[a.id] = a
            for b in self.bids[a.id]:
                self.emit(*b[1:], *a[2:])

    def bid(self, b):
        self.bids[b.auction].append(b)
        if a := self.auctions.get(b.auction):
            self.emit(*b[1:], *a[2:])


class Q21(Append):
    CHANNELS = {"apple": "0", "google": "1", "facebook": "2", "baidu": "3"}

    def bid(self, b):
        id = self.CHANNELS.get(b.channel.lower())
        if id is None:
            for part in b.url.split("&"):
                if part.startswith("channel_id="):
                    id = part.removeprefix("channel_id=")
                    break
        if id is not None:
            self.emit(b.auction, b.bidder, b.price, b.channel, id)


class Q22(Append):
    def bid(self, b):
        self.emit(b.auction, b.bidder, b.price, b.channel, *(b.url.split("/") + [""] * 6)[3:6])


class Q23(Append):
    def __init__(self, schedule):
        super().__init__(schedule)
        self.people, self.auctions, self.bids = {}, defaultdict(list), defaultdict(list)

    def person(self, p):
        self.people[p.id] = p
        for b in self.bids[p.id]:
            for a in self.auctions[p.id]:
                self.found(b, p, a)

    def auction(self, a):
        self.auctions[a.seller].append(a)
        if p := self.people.get(a.seller):
            for b in self.bids[a.seller]:
                self.found(b, p, a)

    def bid(self, b):
        self.bids[b.bidder].append(b)
        if p := self.people.get(b.bidder):
            for a in self.auctions[b.bidder]:
                self.found(b, p, a)

    def found(self, b, p, a):
        self.emit(b.bidder, b.price, b.channel, b.url, b.extra, *p[1:7], p.extra, *a[2:])


QUERIES = {name.lower(): query for name, query in list(globals().items()) if name[:1] == "Q" and name[1:].isdigit()}
