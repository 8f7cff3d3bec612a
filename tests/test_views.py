"""Views as files: each shape comes back as it was; what is no view is a user's error."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tumbler.errors import UserError
from tumbler.views import SHAPES, View, read_view, read_views, to_json


def views() -> st.SearchStrategy[View]:
    return st.one_of([st.builds(shape) for shape in SHAPES.values()])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(views())
def test_every_shape_survives_its_file(tmp_path: Path, view: View) -> None:
    path = tmp_path / "it.json"
    path.write_text(to_json(view), encoding="utf-8")
    assert repr(read_view(path)) == repr(view)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"shape": "pie"}', '{"shape": "funnel"}', '{"shape": "table", "rows": 3}']
)
def test_what_is_no_view_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "views").mkdir()
    (tmp_path / "views" / "it.json").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match="not a view"):
        read_views(tmp_path)
