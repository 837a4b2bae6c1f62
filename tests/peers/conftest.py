"""The expectations show both sides of what differs, as tests do."""

import pytest

pytest.register_assert_rewrite("tests.peers.expected")
