import type {Encrypter} from 'age-encryption';

/**
 * Returns the age file of zero bytes: header, nonce and one empty chunk. Uses a stream, because for bytes the library
 * takes a Response, for which Node loads its HTTP client (20 ms). Throws the library's error for an unusable recipient.
 */
export async function emptyFile(encrypter: Encrypter): Promise<Buffer> {
	const nothing = new ReadableStream({start: controller => controller.close()});
	const pieces: Uint8Array[] = [];
	for await (const piece of await encrypter.encrypt(nothing)) pieces.push(piece);
	return Buffer.concat(pieces);
}
