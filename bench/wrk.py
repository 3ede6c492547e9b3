"""wrk as the load, where it is installed (Debian: `apt-get install wrk`): a tenth of what our own generator costs.

For paths of one request. wrk itself counts what is not 2xx or 3xx, and the platform answers nothing with 3xx here.
"""

from __future__ import annotations

import json
import re
import resource
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from bench.generator import Job, Load, Refused
from bench.seed import PAYERS

_SCRIPT: Final = """
local parts, number = {}, 0
function init(args)
   number = tonumber(args[1])
   for at = 2, #args do parts[at - 1] = args[at] end
end
local function fill(text)
   text = text:gsub("%%%(n%)022d", string.format("%022d", number))
   return (text:gsub("%%%(p%)06d", string.format("%06d", number % PAYERS)))
end
function request()
   local text = fill(parts[1])
   number = number + 1
   return text
end
function done(summary, latency, requests)
   local errors = summary.errors
   local quantiles = {}
   for at = 1, 999 do quantiles[at] = string.format("%.3f", latency:percentile(at / 10) / 1000) end
   io.write(string.format(
      'DONE {"requests":%d,"refused":%d,"broken":%d,"us":%d,"quantiles":[%s]}\\n', summary.requests, errors.status,
      errors.connect + errors.read + errors.write + errors.timeout, summary.duration, table.concat(quantiles, ",")))
end
"""


def is_installed() -> bool:
    """Tell whether there is a wrk."""
    return shutil.which("wrk") is not None


def generate(job: Job) -> Load:
    """Keep every connection busy with the job's one step until the time is up. Raises Refused."""
    (step,) = job.steps
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(_SCRIPT.replace("PAYERS", str(PAYERS)))
        script.flush()
        command = ["wrk", "-t1", f"-c{job.connections}", f"-d{max(1, round(job.seconds))}s"]
        command += ["--latency", "-s", str(Path(script.name)), f"http://127.0.0.1:{job.port}"]
        done = subprocess.run(
            [*command, "--", str(job.first), step], capture_output=True, text=True, check=False
        )
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    found = re.search(r"^DONE (.*)$", done.stdout, re.MULTILINE)
    if found is None:
        raise Refused(f"wrk failed:\n{done.stdout[-500:]}\n{done.stderr[-500:]}")
    said = json.loads(found[1])
    if said["refused"] or said["broken"]:
        raise Refused(f"{said['refused']} answers were not 2xx, {said['broken']} never came")
    if said["requests"] > job.count:
        raise Refused("wrk was faster than there were orders: raise the path's most_tps")
    cpu_s = used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime
    return Load(said["requests"], said["us"] / 1e6, cpu_s, said["quantiles"])
