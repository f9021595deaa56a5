"""Views as a plan has them, for work that is made by hand."""

from tablewright.orchestrator.identity import view_id
from tablewright.orchestrator.plans.plan import PlannedView


def planned_views(config, data, *views):
    """Key views by their ids, each measured on the training's own data."""
    return {view_id(view, (), data.measured_on(view)): PlannedView(view, config, data) for view in views}
