/** What the watch and the keep-alive stream have in common. */
import type { WatchClient } from 'etcd3';

/** grpc-js's call options and interceptors, by the types that etcd3 lets us see. */
export type CallOptions = NonNullable<Parameters<WatchClient['watch']>[0]>;
export type Interceptor = NonNullable<CallOptions['interceptors']>[number];

/**
 * Adds the header that makes etcd end a stream when its member has lost the leader (rpctypes.MetadataRequireLeaderKey);
 * without it a stream to a partitioned member stays open and silent. etcd3 has no option for headers.
 */
const requireLeader: Interceptor = (options, nextCall) => {
  const call = nextCall(options);
  const start = call.start.bind(call);
  call.start = (metadata, listener) => {
    metadata.set('hasleader', 'true');
    start(metadata, listener);
  };
  // eslint-disable-next-line @typescript-eslint/no-unsafe-class-instance-assignment -- grpc-js uses only the interface
  return call as ReturnType<Interceptor>;
};

/** Options of every stream that we open. @param more interceptors of the endpoint */
export function streamOptions(more: readonly Interceptor[]): CallOptions {
  return { interceptors: [requireLeader, ...more] };
}
