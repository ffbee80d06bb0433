"""RCS content as readable text."""

from collections.abc import Iterator
from typing import Any

import pytest

from service.messages.sms_text import readable


def action(text: str | None = "Book a table", **kind: Any) -> dict[str, Any]:
    return {"action": {"text": text, "postback_data": "Ym9vaw==", **kind}}


def link(url: str, text: str | None = "Book a table") -> dict[str, Any]:
    return action(text, open_url_action={"url": url, "application": "BROWSER", "webview_view_mode": "FULL"})


def reply(text: str) -> dict[str, Any]:
    return {"reply": {"text": text, "postback_data": "cmVwbHk="}}


DIAL = action("Call us", dial_action={"phone_number": "+13125550100"})


def card(title: str, **more: Any) -> dict[str, Any]:
    return {"title": title, "description": f"About {title.lower()}", **more}


def standalone(content: dict[str, Any]) -> dict[str, Any]:
    return {"rich_card": {"standalone_card": {"card_orientation": "VERTICAL", "card_content": content}}}


def carousel(*contents: dict[str, Any]) -> dict[str, Any]:
    return {"rich_card": {"carousel_card": {"card_width": "SMALL", "card_contents": list(contents)}}}


def test_a_text_is_told_as_it_is_and_suggested_replies_are_left_out() -> None:
    assert readable({"text": " Your table is ready "}) == "Your table is ready"
    assert readable({"text": "Coming?", "suggestions": [reply("Yes"), reply("No")]}) == "Coming?"


def test_suggested_links_and_numbers_follow_the_text() -> None:
    content = {"text": "Coming?", "suggestions": [reply("Yes"), link("https://diner.example/book"), DIAL]}
    assert readable(content) == "Coming?\n\nBook a table: https://diner.example/book\nCall us: +13125550100"


def test_a_standalone_card_is_told_with_its_picture_and_what_it_leads_to() -> None:
    media = {"height": "TALL", "content_info": {"file_url": "https://diner.example/soup.jpg"}}
    content = standalone(card("Soup", media=media, suggestions=[link("https://diner.example/soup", "Order"), DIAL]))
    lines = "Soup\nAbout soup\nhttps://diner.example/soup.jpg\nOrder: https://diner.example/soup\nCall us: +13125550100"
    assert readable(content) == lines
    assert readable(content, pictures=False) == lines.replace("https://diner.example/soup.jpg\n", "")


def test_a_card_that_is_nothing_but_a_picture_is_told_by_its_link() -> None:
    content = standalone({"media": {"content_info": {"file_url": "https://diner.example/ticket.png"}}})
    assert readable(content, pictures=False) == "https://diner.example/ticket.png"


def test_the_cards_of_a_carousel_stand_apart_and_suggestions_below_come_last() -> None:
    content = {**carousel(card("Soup"), card("Salad", suggestions=[DIAL])), "suggestions": [link("https://d.example")]}
    told = "Soup\nAbout soup\n\nSalad\nAbout salad\nCall us: +13125550100\n\nBook a table: https://d.example"
    assert readable(content) == told


def test_a_file_is_told_by_its_link() -> None:
    content = {"content_info": {"file_url": "https://diner.example/menu.pdf", "thumbnail_url": "https://t.example"}}
    assert readable(content) == "https://diner.example/menu.pdf"


@pytest.mark.parametrize(
    ("suggestion", "told"),
    [
        (link("https://d.example", None), "https://d.example"),
        (link("diner://book"), "Book a table: diner://book"),
        (
            action(open_url_action={"url": "diner://book"}, fallback_url="https://d.example"),
            "Book a table: https://d.example",
        ),
        (action("Map", view_location_action={"label": "Diner", "query": "1 Main St"}), "Map: Diner, 1 Main St"),
        (action("Map", view_location_action={"lat_long": {"latitude": 41.5, "longitude": -87}}), "Map: 41.5, -87"),
        (action("Map", view_location_action={"label": "Diner"}, fallback_url="https://m.example"), "Map: https://m.example"),
        (action("Add", create_calendar_event_action={"title": "Dinner"}, fallback_url="https://c.example"), "Add: https://c.example"),
        (action("Add", create_calendar_event_action={"title": "Dinner"}), ""),
        (action("Where are you?", share_location_action={}), ""),
    ],
)  # fmt: skip
def test_an_action_is_told_by_where_it_leads(suggestion: dict[str, Any], told: str) -> None:
    assert readable({"suggestions": [suggestion]}) == told


def test_what_is_said_twice_in_one_place_is_told_once() -> None:
    content = {"suggestions": [link("https://d.example"), link("https://d.example")]}
    assert readable(content) == "Book a table: https://d.example"


def test_a_whole_agent_message_is_unwrapped() -> None:
    assert readable({"content_message": {"text": "Ready"}, "ttl": "10s"}) == "Ready"
    assert readable({"event": {"event_type": "IS_TYPING"}}) == ""


WHOLE = {
    "text": "Coming?",
    **standalone(card("Soup", media={"content_info": {"file_url": "https://d.example/s.jpg"}}, suggestions=[DIAL])),
    "content_info": {"file_url": "https://d.example/menu.pdf"},
    "suggestions": [link("https://d.example"), action("Map", view_location_action={"lat_long": {"latitude": 1.5}})],
}


def damaged(value: Any, junk: Any) -> Iterator[Any]:
    """The value with each of its parts, in turn, replaced by junk."""
    yield junk
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for place, part in parts:
        for broken in damaged(part, junk):
            copy = value.copy()
            copy[place] = broken
            yield copy


@pytest.mark.parametrize("junk", [None, 5, True, "text", ["text"], [[]], {"text": {}}, {}])
def test_what_has_not_the_published_shape_is_left_out_and_the_rest_is_told(junk: Any) -> None:
    damages = [content for content in damaged(WHOLE, junk) if isinstance(content, dict)]
    assert len(damages) > 30
    for content in damages:
        told = readable(content)
        assert content in ({}, {"text": {}}) or told.startswith("Coming?") or "https://d.example/menu.pdf" in told
