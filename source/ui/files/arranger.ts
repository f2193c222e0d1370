/** Sorts and filters a growing table again and again, one pass at a time: the old order is shown until the next is finished. */
import {type FileOrder, orderFiles, type OrderOptions} from './order.js';
import type {FileTable} from './table.js';

export type Arranger = {
	readonly order: () => FileOrder | undefined;
	/** Starts a new order now, with other options if given, and abandons an unfinished one. */
	readonly arrange: (options?: OrderOptions) => void;
	/** Starts a new order with the rows that have arrived, if the last one is old enough. */
	readonly refresh: () => void;
	/** Starts over with another table. */
	readonly restart: (options: OrderOptions) => void;
	readonly close: () => void;
};

/** Minimum milliseconds between two orders while rows arrive. */
const refreshInterval = 400;

export function createArranger({
	table,
	onMade,
	onFailed,
}: {
	readonly table: () => FileTable;
	readonly onMade: () => void;
	readonly onFailed: (error: unknown) => void;
}): Arranger {
	let order: FileOrder | undefined;
	let options: OrderOptions = {list: 'dumps', filter: '', sort: 'time', reverse: false};
	let making = new AbortController();
	/** An order is being made. Arriving rows do not restart it, or it would never finish. */
	let busy = false;
	/** Monotonic milliseconds; a slow order counts as made later, so that it does not use all the time. */
	let madeAt = 0;

	function arrange(next = options): void {
		options = next;
		busy = true;
		making.abort();
		making = new AbortController();
		const {signal} = making;
		const started = performance.now();
		orderFiles(table(), options, signal).then(
			made => {
				if (signal.aborted) return;
				busy = false;
				order = made;
				madeAt = performance.now() + 2 * (performance.now() - started);
				onMade();
			},
			(error: unknown) => {
				if (signal.aborted) return;
				busy = false;
				onFailed(error);
			},
		);
	}

	return {
		order: () => order,
		arrange,
		refresh() {
			if (!busy && performance.now() - madeAt > refreshInterval) arrange();
		},
		restart(next) {
			making.abort();
			busy = false;
			order = undefined;
			options = next;
			madeAt = 0;
		},
		close: () => making.abort(),
	};
}
