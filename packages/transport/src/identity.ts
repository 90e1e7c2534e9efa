/** A peer's lasting identity: an Ed25519 key pair, whose public half is the peer id. */
import './compat.ts';
import { generateKeyPair, privateKeyFromProtobuf, privateKeyToProtobuf } from '@libp2p/crypto/keys';
import type { Ed25519PrivateKey } from '@libp2p/interface';
import { peerIdFromPrivateKey } from '@libp2p/peer-id';

/** A new private key in libp2p's protobuf form, 68 bytes: keep it where only the owner can read it. */
export async function generatePrivateKey(): Promise<Uint8Array> {
  return privateKeyToProtobuf(await generateKeyPair('Ed25519'));
}

/**
 * The peer id that belongs to a private key, in libp2p's text form.
 * @throws {Error} when the bytes are not an Ed25519 private key
 */
export function peerIdOf(privateKey: Uint8Array): string {
  return peerIdFromPrivateKey(decodePrivateKey(privateKey)).toString();
}

/** @throws {Error} when the bytes are not an Ed25519 private key */
export function decodePrivateKey(bytes: Uint8Array): Ed25519PrivateKey {
  const key = privateKeyFromProtobuf(bytes);
  if (key.type !== 'Ed25519') throw new Error(`the peer key is of type ${key.type}; Holdfast uses Ed25519`);
  return key;
}
