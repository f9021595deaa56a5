"""`mlflow.html` in the store: the way from a training to its run in MLflow, for pages that know no server.

Tables are the same from equal records, wherever they are written, so they hold no address of MLflow's. They link to
`mlflow.html#<training id>` in the store, which the sweep writes beside them, and which says where MLflow is.
"""

from __future__ import annotations

import html
import json
import shlex

from tablewright.orchestrator.projections.mlflow_names import STORE, TRAINING_ID
from tablewright.orchestrator.projections.mlflow_places import TRAINING_VIEW
from tablewright.trainables.value.secret import masked, without_credentials

NAME = "mlflow.html"
UI_ADDRESS = "http://127.0.0.1:5000"
"""Where `mlflow ui` shows a database."""

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>MLflow</title>
<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">
<style>body {{ font: 16px/1.5 system-ui; max-width: 42em; margin: 3em auto; padding: 0 1em }}</style></head>
<body><h1>In MLflow</h1>
{how}<p><a id="run" href="{address}">{shown}</a></p>
<script>
const id = decodeURIComponent(location.hash.slice(1));
const place = {place};
if (/^[0-9a-f]{{8,64}}$/.test(id)) {{
  const filter = "tags.`{training_tag}` LIKE '" + id + "%' and tags.`{store_tag}` = '" + place.store + "'";
  const link = document.getElementById("run");
  link.href = place.runs + "&orderByKey=" + encodeURIComponent("tags.`{training_tag}`") +
    "&searchFilter=" + encodeURIComponent(filter);
  link.textContent = "Training " + id.slice(0, 8);
  if (place.isServer) location.replace(link.href);
}}
</script></body></html>
"""


def mlflow_page(uri: str, experiment_id: str, store_id: str, store_url: str) -> bytes:
    """Write the page.

    Args:
        uri: of MLflow's server or database; what is secret of it stays away.
        experiment_id: that has the runs; empty while MLflow has not been reached yet.
        store_id: whose runs they are.
        store_url: of it; a database in it is named as seen from there, so that both can be moved.
    """
    is_server = uri.startswith(("http://", "https://"))
    front = without_credentials(uri).rstrip("/") if is_server else UI_ADDRESS
    of_experiment = f"/{experiment_id}/runs" if experiment_id else ""
    runs = f"{front}/#/experiments{of_experiment}?{TRAINING_VIEW}"
    inside = f"sqlite:///{store_url.removeprefix('file://').rstrip('/')}/"
    database = uri.replace(inside, "sqlite:///") if uri.startswith(inside) else uri
    where = "" if database == uri else ", in the folder of this page"
    command = f"mlflow ui --backend-store-uri {shlex.quote(masked(database))}"
    how = "" if is_server else f"<p>Start its pages first{where}: <code>{html.escape(command)}</code></p>\n"
    place = json.dumps({"runs": runs, "store": store_id, "isServer": is_server}).replace("<", "\\u003c")
    return _PAGE.format(
        how=how,
        address=html.escape(runs),
        shown=html.escape(front),
        place=place,
        training_tag=TRAINING_ID,
        store_tag=STORE,
    ).encode()
