"""The chat template in Jinja: what `tumbler.text.render` does, for transformers, vLLM and llama.cpp.

Equal ids for every conversation whose content spells no special token; where it does, outside tools
turn it into one and `render` does not.
"""

from __future__ import annotations

from typing import Final

CHAT_TEMPLATE: Final = """\
{{- bos_token }}
{%- set tool_lines %}
    {%- if tools %}
        {%- for tool in tools %}
            {{- '\\n' + (tool | tojson) }}
        {%- endfor %}
    {%- endif %}
{%- endset %}
{%- if tools and messages[0]['role'] != 'system' %}
    {{- '<|system|>Tools:' + tool_lines + '<|end|>' }}
{%- endif %}
{%- for message in messages %}
    {%- if message['content'] is not string and not message['tool_calls'] %}
        {{- raise_exception('content must be a text') }}
    {%- endif %}
    {%- set content = message['content'] if message['content'] is string else '' %}
    {%- if message['role'] == 'tool' %}
        {{- '<|tool_result|>' + content + '<|/tool_result|>' }}
    {%- elif message['role'] == 'system' and tools %}
        {{- '<|system|>' + content + '\\n\\nTools:' + tool_lines + '<|end|>' }}
    {%- elif message['role'] in ['system', 'user'] %}
        {{- '<|' + message['role'] + '|>' + content + '<|end|>' }}
    {%- elif message['role'] == 'assistant' %}
        {{- '<|assistant|>' }}
        {%- if message['reasoning_content'] %}
            {{- '<|think|>' + message['reasoning_content'] + '<|/think|>' }}
        {%- endif %}
        {{- content }}
        {%- if message['tool_calls'] %}
            {%- for call in message['tool_calls'] %}
                {%- set name, arguments = call['function']['name'] | tojson, call['function']['arguments'] %}
                {%- set arguments = arguments if arguments is string else arguments | tojson %}
                {{- '<|tool_call|>{"name": ' + name + ', "arguments": ' + arguments + '}<|/tool_call|>' }}
            {%- endfor %}
        {%- endif %}
        {{- '<|end|>' }}
    {%- else %}
        {{- raise_exception('role must be system, user, assistant or tool, not ' + message['role']) }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|assistant|>' }}
{%- endif %}"""
"""No `{% generation %}` block: llama.cpp's Python binding fails on it."""
