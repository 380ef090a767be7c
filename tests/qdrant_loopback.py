"""A Qdrant server on the loopback, for tests: Qdrant's own gRPC services, as qdrant-client defines them, in front of
Qdrant Edge.

What is real: the wire (HTTP/2, TLS, metadata, deadlines, status codes), the messages, and the engine that stores and
searches. What is written here is only which call of the engine answers which message, aliases, and how a server treats
keys, strict mode and outages. Sharding, replication and optimisation in the background are not in it.
"""

from __future__ import annotations

import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import qdrant_edge as edge
from qdrant_client import grpc as q
from qdrant_client import models
from qdrant_client.conversions.conversion import GrpcToRest, RestToGrpc
from qdrant_client.grpc.collections_service_pb2_grpc import CollectionsServicer, add_CollectionsServicer_to_server
from qdrant_client.grpc.points_service_pb2_grpc import PointsServicer, add_PointsServicer_to_server


class Refused(Exception):
    """What a server answers with another status than OK."""

    def __init__(self, code: grpc.StatusCode, text: str) -> None:
        super().__init__(text)
        self.code = code


class Guard(grpc.ServerInterceptor):
    """Keys, outages, delays; and every refusal of the services as its status."""

    def __init__(self, server: Loopback) -> None:
        self._server = server

    def intercept_service(self, continuation: Any, details: Any) -> Any:
        handler, server = continuation(details), self._server
        if handler is None:
            return None
        method, given = details.method.rpartition("/")[2], dict(details.invocation_metadata).get("api-key")

        def answer(request: Any, context: grpc.ServicerContext) -> Any:
            server.calls.append(method)
            try:
                if server.key is not None and given != server.key:
                    raise Refused(grpc.StatusCode.UNAUTHENTICATED, "Must provide an API key")
                if server.failing > 0:
                    server.failing -= 1
                    raise Refused(grpc.StatusCode.UNAVAILABLE, "the node is starting")
                time.sleep(server.delay)
                return handler.unary_unary(request, context)
            except Refused as refused:
                context.abort(refused.code, str(refused))

        return grpc.unary_unary_rpc_method_handler(answer, handler.request_deserializer, handler.response_serializer)


class Collection:
    def __init__(self, folder: Path, request: q.CreateCollection) -> None:
        self.request, self.indexed = request, {}
        folder.mkdir(parents=True)
        size = request.vectors_config.params.size
        parameters = edge.EdgeVectorParams(size=size, distance=edge.Distance.Dot)
        self.shard = edge.EdgeShard.create(str(folder), edge.EdgeConfig(vectors=parameters))

    def filter(self, message: q.Filter) -> edge.Filter:
        return self._converted(GrpcToRest.convert_filter(message))

    def _converted(self, filter: models.Filter) -> edge.Filter:
        each = {n: [self._condition(c) for c in getattr(filter, n) or []] for n in ("must", "should", "must_not")}
        return edge.Filter(**{name: conditions for name, conditions in each.items() if conditions})

    def _condition(self, c: Any) -> Any:
        if isinstance(c, models.Filter):
            return self._converted(c)
        if isinstance(c, models.HasIdCondition):
            return edge.HasIdCondition({str(id) for id in c.has_id})
        key = c.is_empty.key if isinstance(c, models.IsEmptyCondition) else c.key
        strict = self.request.strict_mode_config
        if strict.enabled and not strict.unindexed_filtering_retrieve and key not in self.indexed:
            raise Refused(grpc.StatusCode.INVALID_ARGUMENT, f"Index required but not found for {key}")
        if isinstance(c, models.IsEmptyCondition):
            return edge.IsEmptyCondition(key)
        return edge.FieldCondition(key, edge.MatchAny(list(c.match.any)))


class Loopback(CollectionsServicer, PointsServicer):
    """A running server.

    Attributes:
        url: what ``--store`` takes.
        key: what callers must send; None lets everybody in.
        failing: how many of the next calls find it starting.
        delay: seconds before each answer.
        calls: the methods that were called, in order.
    """

    def __init__(self, folder: Path, port: int = 0, tls: tuple[bytes, bytes] | None = None) -> None:
        self.folder, self.collections, self.alias = folder, {}, {}
        self.key: str | None = None
        self.failing, self.delay, self.calls = 0, 0.0, []
        self._server = grpc.server(ThreadPoolExecutor(4), interceptors=[Guard(self)])
        add_CollectionsServicer_to_server(self, self._server)
        add_PointsServicer_to_server(self, self._server)
        if tls is None:
            port = self._server.add_insecure_port(f"127.0.0.1:{port}")
        else:
            port = self._server.add_secure_port(f"127.0.0.1:{port}", grpc.ssl_server_credentials([tls]))
        self.url = f"grpc{'s' if tls else ''}://localhost:{port}"
        self._server.start()

    def stop(self) -> None:
        self._server.stop(0).wait()
        for collection in self.collections.values():
            collection.shard.close()

    def _named(self, name: str) -> Collection:
        try:
            return self.collections[self.alias.get(name, name)]
        except KeyError:
            raise Refused(grpc.StatusCode.NOT_FOUND, f"Collection `{name}` doesn't exist!") from None

    # Collections

    def List(self, request, context):
        names = [q.CollectionDescription(name=name) for name in self.collections]
        return q.ListCollectionsResponse(collections=names)

    def Get(self, request, context):
        if isinstance(request, q.GetPoints):
            return self._points(request)
        found = self._named(request.collection_name)
        asked, state = found.request, found.shard.info()
        info = q.CollectionInfo(
            status=q.CollectionStatus.Green,
            config=q.CollectionConfig(
                params=q.CollectionParams(
                    vectors_config=asked.vectors_config,
                    shard_number=asked.shard_number or 1,
                    replication_factor=asked.replication_factor or 1,
                    on_disk_payload=asked.on_disk_payload,
                ),
                hnsw_config=q.HnswConfigDiff(m=16, ef_construct=100, full_scan_threshold=10_000),
                optimizer_config=q.OptimizersConfigDiff(default_segment_number=1, flush_interval_sec=5),
                wal_config=q.WalConfigDiff(wal_capacity_mb=32, wal_segments_ahead=0),
                strict_mode_config=asked.strict_mode_config,
                metadata=asked.metadata,
            ),
            indexed_vectors_count=state.indexed_vectors_count,
            points_count=state.points_count,
            segments_count=state.segments_count,
        )
        for path in found.indexed:
            info.payload_schema[path].data_type = q.PayloadSchemaType.Keyword
        return q.GetCollectionInfoResponse(result=info)

    def Create(self, request, context):
        if request.collection_name in self.collections:
            raise Refused(grpc.StatusCode.ALREADY_EXISTS, "Collection already exists!")
        self.collections[request.collection_name] = Collection(self.folder / request.collection_name, request)
        return q.CollectionOperationResponse(result=True)

    def Update(self, request, context):
        kept = self._named(request.collection_name).request.metadata
        for key, value in request.metadata.items():
            kept[key].CopyFrom(value)
        return q.CollectionOperationResponse(result=True)

    def Delete(self, request, context):
        if isinstance(request, q.DeletePoints) and request.points.HasField("filter"):
            found = self._named(request.collection_name)
            found.shard.update(edge.UpdateOperation.delete_points_by_filter(found.filter(request.points.filter)))
            return q.PointsOperationResponse(result=_DONE)
        if isinstance(request, q.DeletePoints):
            ids = [str(GrpcToRest.convert_point_id(id)) for id in request.points.points.ids]
            self._named(request.collection_name).shard.update(edge.UpdateOperation.delete_points(ids))
            return q.PointsOperationResponse(result=_DONE)
        gone = self.collections.pop(request.collection_name, None)
        if gone is not None:
            gone.shard.close()
            shutil.rmtree(self.folder / request.collection_name)
        return q.CollectionOperationResponse(result=gone is not None)

    def UpdateAliases(self, request, context):
        changed = dict(self.alias)
        for action in request.actions:
            if action.HasField("delete_alias"):
                changed.pop(action.delete_alias.alias_name, None)
            else:
                self._named(action.create_alias.collection_name)
                changed[action.create_alias.alias_name] = action.create_alias.collection_name
        self.alias = changed
        return q.CollectionOperationResponse(result=True)

    def ListAliases(self, request, context):
        each = [q.AliasDescription(alias_name=a, collection_name=c) for a, c in self.alias.items()]
        return q.ListAliasesResponse(aliases=each)

    # Points

    def CreateFieldIndex(self, request, context):
        found = self._named(request.collection_name)
        kind = edge.PayloadSchemaType.Keyword
        found.shard.update(edge.UpdateOperation.create_field_index(request.field_name, kind))
        found.indexed[request.field_name] = kind
        return q.PointsOperationResponse(result=_DONE)

    def Upsert(self, request, context):
        points = [GrpcToRest.convert_point_struct(p) for p in request.points]
        rows = [edge.Point(str(p.id), list(p.vector), p.payload or {}) for p in points]
        self._named(request.collection_name).shard.update(edge.UpdateOperation.upsert_points(rows))
        return q.PointsOperationResponse(result=_DONE)

    def UpdateBatch(self, request, context):
        shard = self._named(request.collection_name).shard
        for operation in request.operations:
            asked = operation.set_payload
            ids = [str(GrpcToRest.convert_point_id(id)) for id in asked.points_selector.points.ids]
            shard.update(edge.UpdateOperation.set_payload(ids, GrpcToRest.convert_payload(asked.payload)))
        return q.UpdateBatchResponse(result=[_DONE for _ in request.operations])

    def _points(self, request):
        ids = [str(GrpcToRest.convert_point_id(id)) for id in request.ids]
        found = self._named(request.collection_name).shard.retrieve(ids, _payload(request), request.with_vectors.enable)
        return q.GetResponse(result=[_retrieved(r) for r in found])

    def Scroll(self, request, context):
        found = self._named(request.collection_name)
        start = str(GrpcToRest.convert_point_id(request.offset)) if request.HasField("offset") else None
        vectors = request.with_vectors.enable
        asked = edge.ScrollRequest(start, request.limit, found.filter(request.filter), _payload(request), vectors)
        records, following = found.shard.scroll(asked)
        after = None if following is None else RestToGrpc.convert_extended_point_id(str(following))
        return q.ScrollResponse(result=[_retrieved(r) for r in records], next_page_offset=after)

    def Count(self, request, context):
        found = self._named(request.collection_name)
        count = found.shard.count(edge.CountRequest(exact=request.exact, filter=found.filter(request.filter)))
        return q.CountResponse(result=q.CountResult(count=count))

    def Facet(self, request, context):
        found = self._named(request.collection_name)
        asked = edge.FacetRequest(request.key, request.limit, request.exact, found.filter(request.filter))
        hits = [
            q.FacetHit(value=q.FacetValue(string_value=str(h.value)), count=h.count)
            for h in found.shard.facet(asked).hits
        ]
        return q.FacetResponse(hits=hits)

    def Query(self, request, context):
        found = self._named(request.collection_name)
        parameters = edge.SearchParams(hnsw_ef=request.params.hnsw_ef, exact=request.params.exact)
        hits = found.shard.query(
            edge.QueryRequest(
                limit=request.limit,
                query=edge.Query.Nearest(list(request.query.nearest.dense.data)),
                filter=found.filter(request.filter),
                with_payload=_payload(request),
                params=parameters,
            )
        )
        return q.QueryResponse(
            result=[
                q.ScoredPoint(
                    id=RestToGrpc.convert_extended_point_id(str(h.id)),
                    score=h.score,
                    payload=RestToGrpc.convert_payload(h.payload or {}),
                )
                for h in hits
            ]
        )


_DONE = q.UpdateResult(operation_id=1, status=q.UpdateStatus.Completed)


def _payload(request: Any) -> list[str] | bool:
    selector = request.with_payload
    return list(selector.include.fields) if selector.HasField("include") else selector.enable


def _retrieved(record: Any) -> Any:
    vectors = None
    if record.vector is not None:
        vectors = q.VectorsOutput(vector=q.VectorOutput(dense=q.DenseVector(data=record.vector)))
    return q.RetrievedPoint(
        id=RestToGrpc.convert_extended_point_id(str(record.id)),
        payload=RestToGrpc.convert_payload(record.payload or {}),
        vectors=vectors,
    )
