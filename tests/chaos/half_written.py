"""Scripts that count their writes, and refuse the one that a test names."""

from pathlib import Path

import service.store
from service.store.scripts import script
from tests.store.half_way import READS

REFUSED = b"-HALFWAY"
_HEAD = """
local server, reads, written, seen_at = redis, {}, {}, 'chaos:' .. KEYS[1]
for each in ('%(reads)s'):gmatch('%%S+') do reads[each] = true end
local redis = setmetatable({ call = function(command, ...)
  if not reads[command] then
    local key = tostring((...)):gsub('^' .. KEYS[1]:gsub('counts$', ''):gsub('%%p', '%%%%%%0'), '')
    local write = command .. ' ' .. key:match('^[^:]*')
    written[write] = (written[write] or 0) + 1
    local place = '%(label)s|' .. write .. ' ' .. written[write]
    local time = server.call('HINCRBY', seen_at, place, 1)
    if place == '%(target)s' and time == %(time)d then error({ err = 'HALFWAY refused by the test' }) end
  end
  return server.call(command, ...)
end }, { __index = server })
"""


def script_names() -> dict[bytes, str]:
    """Return the name of each script of the store by its digest."""
    files = Path(service.store.__path__[0], "lua").glob("*.lua")
    return {script(each.stem).digest.encode(): each.stem for each in files}


def counting(name: str, label: str, target: str, time: int) -> bytes:
    """Return a script's text that counts its writes under a label, and refuses the target's."""
    shebang, _, text = script(name).text.partition("\n")
    head = _HEAD % {"reads": READS, "label": label, "target": target, "time": time}
    return f"{shebang}\n{head}{text}".encode()


def seen_key(namespace: str) -> str:
    """Return the key that counts the writes of a namespace's scripts."""
    return f"chaos:{namespace}:counts"
