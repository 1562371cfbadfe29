from typing import Any

from app.steps import adf


def text(value: str) -> dict[str, Any]:
    return {"type": "text", "text": value}


def paragraph(*content: dict[str, Any]) -> dict[str, Any]:
    return {"type": "paragraph", "content": list(content)}


def test_documents_of_plain_text_and_back() -> None:
    document = adf.document("one\r\n\ntwo")

    assert document["content"] == [paragraph(text("one")), paragraph(text("two"))]
    assert adf.text(document) == "one\ntwo"


def test_documents_of_others_are_read_whatever_they_hold() -> None:
    document = {
        "type": "doc",
        "content": [
            paragraph(
                text("a "), {"type": "mention", "attrs": {"id": "x", "text": "@Ann"}}
            ),
            {"type": "rule"},
            paragraph({"type": "hardBreak"}, {"type": "date", "attrs": None}),
            {"type": "codeBlock", "content": [text("c")]},
            "rubbish",
        ],
    }

    assert adf.text(document) == "a @Ann\n\n\n\nc"
