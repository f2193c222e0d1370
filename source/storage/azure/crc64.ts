/** The CRC64 of Azure Storage (x-ms-content-crc64): reflected, polynomial 0x9A6C9329AC4BC9B5, least significant byte first. */

const polynomial = 0x9a6c_9329_ac4b_c9b5n;

/** High and low halves, because 64-bit integers are slow. */
let tables: {readonly high: Int32Array; readonly low: Int32Array} | undefined;

function createTables() {
	const high = new Int32Array(256);
	const low = new Int32Array(256);
	for (let byte = 0; byte < 256; byte++) {
		let value = BigInt(byte);
		for (let bit = 0; bit < 8; bit++) value = (value & 1n) === 1n ? (value >> 1n) ^ polynomial : value >> 1n;
		high[byte] = Number(BigInt.asIntN(32, value >> 32n));
		low[byte] = Number(BigInt.asIntN(32, value));
	}
	return {high, low};
}

/** Returns the 8 bytes as the service sends them. */
export function crc64(bytes: Uint8Array): Buffer {
	const {high, low} = (tables ??= createTables());
	let top = -1;
	let bottom = -1;
	for (const byte of bytes) {
		const index = (bottom ^ byte) & 0xff;
		bottom = ((bottom >>> 8) | (top << 24)) ^ (low[index] ?? 0);
		top = (top >>> 8) ^ (high[index] ?? 0);
	}
	const out = Buffer.alloc(8);
	out.writeInt32LE(~bottom, 0);
	out.writeInt32LE(~top, 4);
	return out;
}
