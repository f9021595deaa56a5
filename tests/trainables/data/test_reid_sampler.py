from collections import Counter

import numpy as np
import pytest

from tablewright.trainables.data.reid_sampler import IdentitiesOnceSampler, PKSampler, ShuffledSampler

NUM_IMAGES_OF = {1: 3, 4: 4, 5: 9, 7: 8, 9: 5, 12: 16, 20: 4}
PIDS = np.repeat(list(NUM_IMAGES_OF), list(NUM_IMAGES_OF.values()))


def sampler(**fields):
    return PKSampler(PIDS, **({"num_identities": 2, "num_instances": 4, "num_ranks": 1, "seed": 3} | fields))


@pytest.mark.parametrize("num_ranks", [1, 2])
def test_a_rank_has_so_many_people_with_so_many_images(num_ranks):
    """Each rank's batch holds different people, and the stated number of images of each, side by side."""
    batches = sampler(num_ranks=num_ranks).batches()
    assert (num_ranks, 8) == batches.shape[1:]
    for pids_KN in PIDS[batches].reshape(-1, 2, 4):
        assert (pids_KN == pids_KN[:, :1]).all()
        assert pids_KN[0, 0] != pids_KN[1, 0]


def test_a_step_of_several_ranks_may_hold_a_person_twice():
    """People are distinct within a rank's draw only."""
    doubled = 0
    for epoch in range(20):
        two_ranks = sampler(num_ranks=2)
        two_ranks.set_epoch(epoch)
        doubled += sum(len(set(PIDS[step].ravel())) < 4 for step in two_ranks.batches())
    assert doubled > 0


def test_images_are_used_once_and_remainders_dropped():
    """In a pass no image of a person with enough images comes twice, and no group is incomplete."""
    for epoch in range(10):
        one = sampler()
        one.set_epoch(epoch)
        counts = Counter(one.batches().ravel().tolist())
        of_pid = Counter(PIDS[one.batches()].ravel().tolist())
        assert {1} == {number for index, number in counts.items() if PIDS[index] != 1}
        assert all(number <= NUM_IMAGES_OF[pid] // 4 * 4 for pid, number in of_pid.items() if pid != 1)


def test_people_with_too_few_images_are_resampled_with_replacement():
    """Three images fill one group of four, by chance in different ways."""
    groups = set()
    for epoch in range(30):
        one = sampler()
        one.set_epoch(epoch)
        drawn = one.batches().ravel()
        group = sorted(drawn[PIDS[drawn] == 1].tolist())
        assert len(group) in (0, 4)
        groups.add(tuple(group))
    assert {0, 1, 2} == {index for group in groups for index in group}
    assert any(len(set(group)) < 3 for group in groups if group)


def test_the_pass_ends_when_too_few_people_have_a_group_left():
    """With 12 groups, 4 of them of one person, a pass has 4 to 6 draws of two people."""
    lengths = set()
    for epoch in range(50):
        one = sampler()
        one.set_epoch(epoch)
        lengths.add(len(one))
        used = Counter(PIDS[one.batches()].ravel().tolist())
        left = [pid for pid, number in NUM_IMAGES_OF.items() if max(1, number // 4) * 4 > used[pid]]
        assert len(left) < 2
    assert lengths <= {4, 5, 6}
    assert len(lengths) > 1


def test_order_depends_on_seed_and_epoch_alone():
    """Any epoch can be drawn again, in any order, by a new sampler: that is how a training resumes."""
    first = sampler()
    epochs = []
    for epoch in range(3):
        first.set_epoch(epoch)
        epochs.append(first.batches())
    resumed = sampler()
    for epoch in (2, 0, 1):
        resumed.set_epoch(epoch)
        np.testing.assert_array_equal(epochs[epoch], resumed.batches())
    assert not np.array_equal(epochs[0], epochs[1])
    assert not np.array_equal(epochs[0], sampler(seed=4).batches())


def test_global_random_state_is_neither_read_nor_written():
    """No hidden state: NumPy's global generator plays no part."""
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    sampler().batches()
    assert np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002


def test_too_few_people_or_images_are_told():
    """A batch that cannot be filled is refused with the setting to change."""
    with pytest.raises(ValueError, match=r"8 identities .* only 7; set data.num_identities"):
        sampler(num_identities=8)
    with pytest.raises(ValueError, match="does not fill one step"):
        sampler(num_identities=7, num_ranks=2).batches()


def test_shuffled_batches_hold_every_image_once_an_epoch():
    """No image comes twice; what is left out is less than a step; epochs differ; equal seeds are equal."""
    sampler = ShuffledSampler(50, images_per_rank=4, num_ranks=3, seed=1)
    first = sampler.batches()
    assert (len(sampler), 3, 4) == first.shape == (4, 3, 4)
    assert 48 == len(set(first.ravel().tolist()))
    sampler.set_epoch(1)
    assert not np.array_equal(first, sampler.batches())
    sampler.set_epoch(0)
    assert np.array_equal(first, sampler.batches())


def test_too_few_images_to_shuffle_are_refused():
    """A step must be full."""
    with pytest.raises(ValueError, match="has 11 images and a step 12"):
        ShuffledSampler(11, images_per_rank=4, num_ranks=3, seed=1)


def once(**fields):
    defaults = {"num_identities": 2, "num_instances": 4, "num_ranks": 1, "seed": 3}
    return IdentitiesOnceSampler(PIDS, **(defaults | fields))


@pytest.mark.parametrize(
    ("num_identities", "num_ranks", "steps"), [(2, 1, 4), (7, 1, 1), (3, 1, 3), (2, 3, 2), (5, 2, 1)]
)
def test_everybody_has_a_turn_and_what_is_missing_to_a_step_is_drawn_again(num_identities, num_ranks, steps):
    """Seven people fill so many steps: the first seven drawn are all different, as are those of every rank."""
    sampler = once(num_identities=num_identities, num_ranks=num_ranks)
    for epoch in range(10):
        sampler.set_epoch(epoch)
        batches = sampler.batches()
        assert (len(sampler), num_ranks, num_identities * 4) == (steps, *batches.shape[1:]) == batches.shape
        pids_PK = PIDS[batches].reshape(-1, 4)
        assert (pids_PK == pids_PK[:, :1]).all()
        assert set(NUM_IMAGES_OF) == set(pids_PK[:7, 0].tolist())
        for of_rank_P in pids_PK[:, 0].reshape(-1, num_identities):
            assert num_identities == len(set(of_rank_P.tolist()))


def test_market1501_has_47_steps():
    """751 people by 16, as in the code of MGN that is followed."""
    sampler = IdentitiesOnceSampler(range(751), num_identities=16, num_instances=4, num_ranks=1, seed=0)
    assert (47, 1, 64) == (len(sampler), *sampler.batches().shape[1:])


def test_a_turn_is_of_different_images_where_there_are_enough():
    """Only the person with three images shows one of them twice; over epochs every image is seen."""
    sampler, seen = once(), set()
    for epoch in range(40):
        sampler.set_epoch(epoch)
        for group_K in sampler.batches().reshape(-1, 4).tolist():
            seen |= set(group_K)
            assert (3 if PIDS[group_K[0]] == 1 else 4) >= len(set(group_K))
            assert PIDS[group_K[0]] == 1 or 4 == len(set(group_K))
    assert set(range(len(PIDS))) == seen


def test_turns_depend_on_seed_and_epoch_alone():
    """Any epoch can be drawn again, in any order, by a new sampler: that is how a training resumes."""
    epochs = []
    for epoch in range(3):
        first = once()
        first.set_epoch(epoch)
        epochs.append(first.batches())
    resumed = once()
    for epoch in (2, 0, 1):
        resumed.set_epoch(epoch)
        np.testing.assert_array_equal(epochs[epoch], resumed.batches())
    assert not np.array_equal(epochs[0], epochs[1])
    assert not np.array_equal(epochs[0], once(seed=4).batches())


def test_too_few_people_for_a_turn_are_told():
    """A batch that cannot be filled is refused with the setting to change."""
    with pytest.raises(ValueError, match=r"8 identities .* only 7; set data.num_identities"):
        once(num_identities=8)
