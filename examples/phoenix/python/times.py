"""Phoenix writes times as ISO 8601 in microseconds, the contract as nanoseconds since 1970."""

from datetime import datetime, timedelta, timezone

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
MICROSECOND = timedelta(microseconds=1)


def to_iso(nanoseconds: int) -> str:
    """The first microsecond that is not before an instant: an end of a window stays outside."""
    return (EPOCH + timedelta(microseconds=-(-nanoseconds // 1_000))).isoformat()


def from_iso(iso: str) -> int:
    return (datetime.fromisoformat(iso) - EPOCH) // MICROSECOND * 1_000
