/** What Node prints on standard error by itself, and no operator can mend. */

/**
 * An IP address is no server name (RFC 6066, 3). grpc-js gives Node the host of an endpoint as one, whatever it is; etcd takes
 * no notice, and the certificate is checked against the address as it should be.
 */
const IP_AS_SERVER_NAME = 'DEP0123';

/**
 * Keeps Node from printing that one warning, which comes once in each process that connects to `https://` and an IP address.
 * Not by `--disable-warning`, which Node 20 has from 20.11 on and whoever starts us would have to give; and not by a listener:
 * these come beside the one that prints.
 */
export function silenceIpServerName(): void {
  const emitWarning = process.emitWarning.bind(process) as (...args: readonly unknown[]) => void;
  process.emitWarning = (...args: readonly unknown[]) => {
    if (!args.includes(IP_AS_SERVER_NAME)) emitWarning(...args);
  };
}
