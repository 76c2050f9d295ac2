"""LangChain's own standard suite for vector stores, unchanged."""

from __future__ import annotations

import pytest
from langchain_core.vectorstores import VectorStore
from langchain_tests.integration_tests import VectorStoreIntegrationTests

from rag import FaissStore

# Half of the suite is asynchronous. Marked here, so that no other test depends on the project's asyncio mode;
# the mark on the other half is harmless, and pytest-asyncio warns of it.
pytestmark = [pytest.mark.asyncio, pytest.mark.filterwarnings("ignore:.*marked with '@pytest.mark.asyncio'")]


class TestFaissStore(VectorStoreIntegrationTests):
    @pytest.fixture
    def vectorstore(self) -> VectorStore:
        return FaissStore(self.get_embeddings())
