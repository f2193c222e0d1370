import type {Encrypter} from 'age-encryption';

/**
 * The age file of no bytes: header, nonce and one empty chunk. As a stream: for bytes the library takes a Response, with which node
 * loads its HTTP client (20 ms). Throws what the library throws for a recipient that it cannot use.
 */
export async function emptyFile(encrypter: Encrypter): Promise<Buffer> {
	const nothing = new ReadableStream({start: controller => controller.close()});
	const pieces: Uint8Array[] = [];
	for await (const piece of await encrypter.encrypt(nothing)) pieces.push(piece);
	return Buffer.concat(pieces);
}
