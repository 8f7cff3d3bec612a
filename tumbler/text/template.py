"""The chat template in Jinja: what `tumbler.text.render` does, for transformers, vLLM and llama.cpp.

Equal ids for every conversation whose content spells no special token; where it does, outside tools
turn it into one and `render` does not.
"""

from __future__ import annotations

from typing import Final

CHAT_TEMPLATE: Final = """\
{{- bos_token }}
{%- for message in messages %}
    {%- if message['role'] not in ['system', 'user', 'assistant'] %}
        {{- raise_exception('role must be system, user or assistant, not ' + message['role']) }}
    {%- endif %}
    {%- if message['content'] is not string %}
        {{- raise_exception('content must be a text') }}
    {%- endif %}
    {{- '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|assistant|>' }}
{%- endif %}"""
"""No `{% generation %}` block: llama.cpp's Python binding fails on it."""
