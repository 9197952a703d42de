"""Where a log lies: which texts name a database, which a file, and what messages show of a URL."""

from __future__ import annotations

from pathlib import Path

import pytest

from grokputer.domain.errors import LogError
from grokputer.runners.store.place import DatabaseUrl, open_store, read_place


@pytest.mark.parametrize(
    "text",
    [
        "mysql://a:secret@b/c",
        "postgresql+psycopg://a:secret@b/c",
        "file:///tmp/events.db",
        " sqlite:///events.db",
        "http://h",
    ],
)
def test_a_url_of_another_scheme_is_refused_and_not_taken_for_a_file(text: str) -> None:
    with pytest.raises(LogError, match="begins with postgresql:// or postgres://") as caught:
        read_place(text)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "text", ["postgresql:/a:secret@b/c", "postgres:b", "host=b dbname=c password=secret", "dbname = c"]
)
def test_a_database_that_is_named_in_another_way_is_refused_with_the_form_of_its_url(text: str) -> None:
    with pytest.raises(LogError, match="postgresql://USER@HOST:PORT/DATABASE") as caught:
        read_place(text)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "text", ["postgresql://a@b/c", " postgresql://a@b/c\n", "POSTGRESQL://a@b/c", "PostgreSQL://a@b/c"]
)
def test_the_scheme_of_a_database_may_have_any_case_and_spaces_around_it(text: str) -> None:
    assert read_place(text) == DatabaseUrl("postgresql://a@b/c")


def test_any_other_text_is_the_path_of_a_file() -> None:
    for text in ("events.db", "C:/logs/events.db", "/a b/ü.db", "postgres", "hosts=1.db"):
        assert read_place(text) == Path(text)


@pytest.mark.parametrize("password", ["own%zz", "p/ss", "p@ss", "p ss", "p?ss", "p#ss"])
def test_a_password_that_a_url_cannot_hold_is_refused_with_what_to_do_and_not_shown(password: str) -> None:
    with pytest.raises(LogError, match="such as %40 for @") as caught:
        read_place(f"postgresql://owner:{password}@db:5432/log?schema=a")
    assert "postgresql://owner@db:5432/log?schema=a " in str(caught.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgres://ada:hunter2@h:1/log", "postgres://ada@h:1/log"),
        ("postgresql://:hunter2@[::1]:5432/log", "postgresql://@[::1]:5432/log"),
        ("postgresql://ada:hunter%402@h,i:2/log?schema=a", "postgresql://ada@h,i:2/log?schema=a"),
        ("postgresql://h/d?sslpassword=hunter2&PASSWORD=hunter2&a=b", "postgresql://h/d?sslpassword=…&PASSWORD=…&a=b"),
        ("postgresql://h/d?passwd=hunter2&passfile=/p", "postgresql://h/d?passwd=…&passfile=/p"),
        ("postgresql://h/d?oauth_client_secret=hunter2&sslkey=/k", "postgresql://h/d?oauth_client_secret=…&sslkey=/k"),
        ("postgresql://h:5432/d?user=a@b", "postgresql://h:5432/d?user=a@b"),
        ("postgresql://[::1]:5432/d?user=a@b", "postgresql://[::1]:5432/d?user=a@b"),
        ("postgresql://h/d", "postgresql://h/d"),
        ("postgresql://", "postgresql://"),
    ],
)
def test_a_url_is_shown_without_its_secrets(url: str, shown: str) -> None:
    assert str(read_place(url)) == shown
    assert url.startswith(("postgres://", "postgresql://")) and "hunter2" not in repr(read_place(url))


@pytest.mark.parametrize("schema", ["a;b", "A", "1a", "pg_foo", "a" * 49, ""])
def test_a_schema_that_is_no_name_is_refused_with_what_a_name_may_have(schema: str) -> None:
    pytest.importorskip("psycopg", reason="the extra postgres is not installed")
    with pytest.raises(LogError, match="small letters, digits and _, not a digit first, not pg_ first, 48 characters"):
        open_store(read_place(f"postgresql://h/d?schema={schema}"))


def test_a_url_with_two_schemas_is_refused() -> None:
    pytest.importorskip("psycopg", reason="the extra postgres is not installed")
    with pytest.raises(LogError, match="names 2 schemas; a log lies in one"):
        open_store(read_place("postgresql://h/d?schema=a&schema=b"))
