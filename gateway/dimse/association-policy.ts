// Who may open an association with us: called AE title, and calling AE title with its address against the settings' peers.
import { BlockList, isIP } from 'node:net';
import type { Peer, Settings } from '../../config/settings.ts';
import type { Rejection } from './pdu.ts';
import { REJECTION } from './pdu.ts';

export interface Caller {
  calledAe: string;
  callingAe: string;
  /** As node:net gives it; IPv4 may come mapped into IPv6. */
  address: string;
}
export type AssociationPolicy = (caller: Caller) => { rejection: Rejection; why: string } | undefined;

const LOOPBACK = addressList(['127.0.0.0/8', '::1']);

/** @returns a function that says why a caller is rejected, or undefined where it is welcome */
export function associationPolicy(settings: Pick<Settings, 'dimse' | 'peers' | 'acceptUnknownPeers'>): AssociationPolicy {
  const find = peerFinder(settings);
  const ours = settings.dimse.aeTitle.trim();

  return (caller) => {
    const { calledAe, callingAe, address } = caller;
    if (calledAe !== ours) return { rejection: REJECTION.calledAeNotRecognized, why: `called AE title "${calledAe}" is not ours ("${ours}")` };
    if (find(caller)) return undefined;
    if (settings.acceptUnknownPeers === 'always') return undefined;
    if (settings.acceptUnknownPeers === 'loopback' && contains(LOOPBACK, address)) return undefined;
    const titled = settings.peers.some(({ aeTitle }) => aeTitle.trim() === callingAe);
    const why = titled ? `peer "${callingAe}" is not expected from this address` : `calling AE title "${callingAe}" is not among the peers`;
    return { rejection: REJECTION.callingAeNotRecognized, why };
  };
}

/** @returns a function that finds the peer of the settings that a caller is; undefined for one that is not among them */
export function peerFinder({ peers }: Pick<Settings, 'peers'>): (caller: Pick<Caller, 'callingAe' | 'address'>) => Peer | undefined {
  const known = peers.map((peer) => ({ peer, aeTitle: peer.aeTitle.trim(), from: peer.from.length > 0 ? addressList(peer.from) : undefined }));
  return ({ callingAe, address }) => known.find(({ aeTitle, from }) => aeTitle === callingAe && (!from || contains(from, address)))?.peer;
}

function addressList(ranges: readonly string[]): BlockList {
  const list = new BlockList();
  for (const range of ranges) {
    const [address = '', prefix] = range.split('/');
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
    if (prefix === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(prefix), family);
  }
  return list;
}

function contains(list: BlockList, address: string): boolean {
  const plain = plainAddress(address);
  return list.check(plain, isIP(plain) === 6 ? 'ipv6' : 'ipv4');
}

/** An IPv4 address that a dual-stack socket shows as ::ffff:10.0.0.4, and an IPv6 one without its zone. */
export function plainAddress(address: string): string {
  const bare = address.split('%')[0]!;
  return /^::ffff:\d+\.\d+\.\d+\.\d+$/i.test(bare) ? bare.slice(7) : bare;
}
