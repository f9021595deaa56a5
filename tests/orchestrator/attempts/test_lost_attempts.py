"""What is tried again: whatever lost its machine, and a few times what died by itself."""

from tablewright.orchestrator.attempts.lost_attempts import LostAttempts
from tablewright.orchestrator.attempts.worker_death import actor_of, is_cut_off, is_taken_back


def test_lost_machines_are_no_failures_of_a_training_that_comes_further():
    """Each of a hundred spot machines gives it an epoch, or a state to go on from."""
    lost = LostAttempts(max_lost_workers=0, max_lost_machines=2)
    for number in range(50):
        lost.on_epoch("a", number + 1)
        assert "" == lost.on_lost("a", f"spot {number}", gone={f"spot {number}"}, state="")
    for number in range(50):
        machine = f"later {number}"
        assert "" == lost.on_lost("a", machine, gone={machine}, state=f"{number} steps")


def test_a_training_that_takes_its_machines_down_is_given_up():
    """It repeats an epoch on each, and comes no further; the words say what that may mean."""
    lost = LostAttempts(max_lost_workers=3, max_lost_machines=2)
    told = []
    for machine in ("first", "second", "third"):
        lost.on_epoch("a", 1)
        told.append(lost.on_lost("a", machine, gone={machine}, state="of step 100"))
    assert ["", ""] == told[:2]
    assert told[2].startswith("3 machines in a row were lost under it, and it came no further")


def test_nothing_is_kept_of_a_training_that_is_done():
    """A sweep may have very many."""
    lost = LostAttempts(max_lost_workers=1)
    for number in range(9):
        lost.on_epoch(str(number), 1)
        lost.on_lost(str(number), "here", state="")
        lost.on_done(str(number))
    assert not lost._losses


def test_a_process_that_dies_by_itself_is_tried_a_few_times():
    """However far it comes between: who crashes in every hour has a fault of its own."""
    lost = LostAttempts(max_lost_workers=2)
    assert ["", ""] == [lost.on_lost("a", "here", gone=(), state=str(number)) for number in range(2)]
    lost.on_epoch("a", 9)
    assert "given up after 3 attempts" == lost.on_lost("a", "here", gone=(), state="2")


def test_a_process_that_died_before_its_machine_was_lost_with_it():
    """A machine that is shut down ends its processes first; that is known only later."""
    lost = LostAttempts(max_lost_workers=1)
    assert "" == lost.on_lost("a", "first", gone=(), state="1")
    assert "" == lost.on_lost("a", "second", gone={"first"}, state="2")
    assert "" == lost.on_lost("a", "third", gone={"first", "second"}, state="3")
    assert "given up after 2 attempts" == lost.on_lost("a", "third", gone={"first", "second"}, state="4")


def test_where_a_worker_ran_that_nobody_knows_counts_as_a_death():
    """A process that died before it said where it was is no lost machine."""
    lost = LostAttempts(max_lost_workers=0)
    assert "given up after 1 attempt" == lost.on_lost("a", "", gone={"another"}, state="")


def test_a_worker_that_cannot_be_reached_is_lost_with_its_machine():
    """Ray knows only half a minute later that a machine is gone whose power has failed."""
    lost = LostAttempts(max_lost_workers=0)
    assert "" == lost.on_lost("a", "here", is_cut_off=True, state="")
    assert is_cut_off(
        "The actor 8cb4 is unavailable: Connection refused. The task may or may not have been executed"
    )
    assert is_cut_off("The actor died because its node has died. Node Id: c755c5776ec9")
    assert not is_cut_off(
        "The actor is dead because its worker process has died. Worker exit type: SYSTEM_ERROR"
    )


NEVER_RAN = "The actor never ran - it was cancelled before it started running."


def test_whether_a_worker_that_never_began_had_failed():
    """Its machine may have died, or its process, or neither: Ray says of all three that they never ran."""
    about = "The actor died unexpectedly before finishing this task.\n\tclass_name: A\n\tactor_id: 590164d4\n"
    of_machine = f"{about}The actor died because its node has died. Node Id: 811ba6f9\n{NEVER_RAN}"
    of_process = (
        f"{about}The actor is dead because its worker process has died. Worker exit type: …\n{NEVER_RAN}"
    )
    of_neither = (
        f"{about}The actor is dead because all references to the actor were removed including lineage ref count.\n"
        f"{NEVER_RAN}",
        f"{about}The actor is dead because it was killed by `ray.kill`.\n{NEVER_RAN}",
        f"{about}The actor is dead because its owner has died. Owner Id: 01000000\n{NEVER_RAN}",
        "The actor is not schedulable: Could not create the actor because its associated placement group was removed.",
    )
    assert (True, False) == (is_cut_off(of_machine), is_taken_back(of_machine))
    assert (False, False) == (is_cut_off(of_process), is_taken_back(of_process))
    assert [(False, True)] * 4 == [(is_cut_off(told), is_taken_back(told)) for told in of_neither]
    assert not is_taken_back("The actor is dead because it was killed by `ray.kill`.")  # which had begun
    assert ("590164d4", "") == (actor_of(of_machine), actor_of(of_neither[-1]))
