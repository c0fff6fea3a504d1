"""The conversations that every model's template is rendered with."""

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather at a place, e.g. \"Zürich\" <now>.",
        "parameters": {
            "type": "object",
            "properties": {
                "place": {"type": "string", "description": "City & country"},
                "unit": {"type": "string", "enum": ["celsius", "fahrenheit"], "default": "celsius"},
                "days": {"type": ["integer", "null"], "minimum": 1},
                "detail": {
                    "type": "object",
                    "description": "What to tell",
                    "properties": {
                        "wind": {"type": "boolean", "description": "Wind too"},
                        "hours": {"type": "array", "items": {"type": "number"}, "description": "At which hours"},
                    },
                    "required": ["wind"],
                },
            },
            "required": ["place"],
        },
        "return": {"type": "string", "description": "A sentence"},
    },
}
CLOCK = {
    "type": "function",
    "function": {"name": "clock", "description": "The time.", "parameters": {"type": "object", "properties": {}}},
}

SYSTEM = {"role": "system", "content": "You are a careful assistant.\nAnswer briefly."}
HELLO = {"role": "user", "content": "Hello, how are you?"}
FINE = {"role": "assistant", "content": "Fine, thank you."}
MORE = {"role": "user", "content": "  Tell me about 'quotes' & \"<tags>\" — こんにちは 🦊\n"}


def call(name, arguments, identifier="abcdefgh1"):
    return {"id": identifier, "type": "function", "function": {"name": name, "arguments": arguments}}


TOOL_TURNS = [
    {"role": "user", "content": "Weather in Zürich?"},
    {"role": "assistant", "content": "", "tool_calls": [call("get_weather", {"place": "Zürich", "days": 2})]},
    {"role": "tool", "name": "get_weather", "tool_call_id": "abcdefgh1", "content": "{\"sky\": \"clear\", \"t\": 21.5}"},
    {"role": "assistant", "content": "Clear, 21.5 °C."},
    {"role": "user", "content": "And the time?"},
]
TWO_CALLS = [
    SYSTEM,
    {"role": "user", "content": "Weather and time?"},
    {
        "role": "assistant",
        "content": "I will look.",
        "reasoning_content": "Two tools are needed.",
        "tool_calls": [
            call("get_weather", {"place": "Oslo", "detail": {"wind": True, "hours": [6, 12.5]}}, "abcdefgh1"),
            call("clock", {}, "abcdefgh2"),
        ],
    },
    {"role": "tool", "name": "get_weather", "tool_call_id": "abcdefgh1", "content": "Rain"},
    {"role": "tool", "name": "clock", "tool_call_id": "abcdefgh2", "content": "12:00"},
]
REASONED = [
    HELLO,
    {"role": "assistant", "content": "<think>\nThey greet me.\n</think>\n\nHello!"},
    {"role": "user", "content": "2 + 2?"},
    {"role": "assistant", "content": "4", "reasoning_content": "Simple sum.", "thinking": "Simple sum."},
    {"role": "user", "content": "Sure?"},
]
PARTS = [
    {"role": "system", "content": [{"type": "text", "text": "Be kind."}]},
    {"role": "user", "content": [{"type": "text", "text": "Look: "}, {"type": "image"}, {"type": "text", "text": "what?"}]},
]

CONVERSATIONS = {
    "user": {"messages": [HELLO]},
    "system": {"messages": [SYSTEM, HELLO]},
    "turns": {"messages": [SYSTEM, HELLO, FINE, MORE]},
    "turns_without_system": {"messages": [HELLO, FINE, MORE]},
    "ends_with_assistant": {"messages": [SYSTEM, HELLO, FINE], "add_generation_prompt": False},
    "tools": {"messages": [HELLO], "tools": [WEATHER, CLOCK]},
    "tools_and_system": {"messages": [SYSTEM, HELLO], "tools": [WEATHER], "add_generation_prompt": False},
    "tool_turns": {"messages": TOOL_TURNS, "tools": [WEATHER, CLOCK]},
    "tool_turns_without_tools": {"messages": [SYSTEM] + TOOL_TURNS[:4], "add_generation_prompt": False},
    "two_calls": {"messages": TWO_CALLS, "tools": [WEATHER, CLOCK]},
    "arguments_as_text": {
        "messages": [HELLO, {"role": "assistant", "content": None, "tool_calls": [call("clock", "{\"zone\": \"UTC\"}")]}],
        "tools": [CLOCK],
    },
    "reasoned": {"messages": REASONED},
    "thinking_off": {"messages": REASONED, "enable_thinking": False, "thinking": False},
    "thinking_on": {"messages": [SYSTEM, HELLO], "enable_thinking": True, "thinking": True, "reasoning_effort": "high"},
    "parts": {"messages": PARTS},
    "two_users": {"messages": [HELLO, MORE]},
    "unknown_role": {"messages": [HELLO, {"role": "narrator", "content": "Meanwhile…"}]},
    "no_messages": {"messages": []},
    "documents": {
        "messages": [SYSTEM, HELLO],
        "documents": [{"title": "One", "text": "First text."}, {"title": "Two", "text": "Second."}],
    },
}


def contexts():
    """Name and variables of each conversation, complete."""
    for name, given in CONVERSATIONS.items():
        yield name, {
            "tools": None,
            "documents": None,
            "add_generation_prompt": True,
            "bos_token": "<s>",
            "eos_token": "</s>",
            **given,
        }
