"""What tests of every network ask: small ones, the shapes that leave their modules, and whether they learn."""

import copy
import functools

import torch


def record_shapes(network, call):
    """Call a network once, and give what each of its modules saw, and what was returned.

    By name of the module stand sizes without the batch of what it put out, under `in:` of what it took, and under
    `calls:` how often.
    """
    seen = {}
    for name, module in network.named_modules():

        def remember(_, inputs, output, name=name):
            seen[f"calls:{name}"] = (seen.get(f"calls:{name}", (0,))[0] + 1,)
            if inputs and isinstance(inputs[0], torch.Tensor):
                seen[f"in:{name}"] = tuple(inputs[0].shape[1:])
            if isinstance(output, torch.Tensor):
                seen[name] = tuple(output.shape[1:])

        module.register_forward_hook(remember)
    with torch.no_grad():
        return seen, call()


def losses_of_steps(method, config, network, images, labels_B, *, lr, num_steps):
    """Train on one batch again and again; give the loss before each step."""
    network.train()
    optimizer = torch.optim.Adam(network.parameters(), lr=lr)
    losses = []
    for _ in range(num_steps):
        (terms,) = method.loss_terms(config, network, [images], [labels_B], epoch=0)
        loss = sum(terms.values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


class NetworkProbe:
    """Builds small networks of one method, and runs them on images of chance.

    Args:
        method: whose networks.
        labels_B: of a batch.
        size_px: height and width of its images.
        settle: does to a network what all tests want done to it.
        num_classes: of its classifiers.
    """

    def __init__(self, method, labels_B, size_px, settle=lambda network: None, num_classes=5):
        self.method, self.labels_B = method, torch.tensor(labels_B)
        self.num_classes = num_classes
        self._size_px, self._settle = size_px, settle

    def images(self, batch_size=None, seed=0):
        """Draw images in 0..255, as many as there are labels unless told."""
        batch_size = len(self.labels_B) if batch_size is None else batch_size
        generator = torch.Generator().manual_seed(seed)
        return torch.rand(batch_size, 3, *self._size_px, generator=generator) * 255

    def build(self, config, seed=0):
        """Give a network of one's own that follows from a seed; one that was asked for before is copied."""
        network, random_state = self._built(config.model_dump_json(), config, seed)
        torch.set_rng_state(random_state)
        return copy.deepcopy(network)

    def terms_of(self, config, network=None, *, epoch=0):
        """Make the loss terms of one batch in training mode."""
        network = self.build(config) if network is None else network
        (terms,) = self.method.loss_terms(config, network.train(), [self.images()], [self.labels_B], epoch)
        return terms

    def entries(self, config):
        """Name the entries of the network's state dict with their shapes."""
        with torch.device("meta"):
            network = self.method.build_network(config, self.num_classes, {})
        return {key: tuple(value.shape) for key, value in network.state_dict().items()}

    def redrawn(self, config, changed):
        """Name the entries that the networks of two configs share and that start differently under one seed."""
        before, after = (self._draw(one, seed=0).state_dict() for one in (config, changed))
        shared = {key for key in before.keys() & after.keys() if before[key].shape == after[key].shape}
        assert any(before[key].is_floating_point() and before[key].unique().numel() > 9 for key in shared)
        return {key for key in shared if not torch.equal(before[key], after[key])}

    def _draw(self, config, seed):
        torch.manual_seed(seed)
        return self.method.build_network(config, self.num_classes, {})

    @functools.lru_cache(maxsize=8)  # noqa: B019 (a probe lives as long as its module)
    def _built(self, text, config, seed):
        """The text tells configs apart, some of which are equal and of different types inside."""
        network = self._draw(config, seed)
        random_state = torch.get_rng_state()
        self._settle(network)
        return network, random_state


def assert_only_these_differ(before, after, prefixes):
    """Entries that a switch adds, removes or reshapes are all of its own part, and each part is touched."""
    touched = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
    assert all(key.startswith(prefixes) for key in touched) if prefixes else touched == set()
    assert all(any(key.startswith(prefix) for key in touched) for prefix in prefixes)
