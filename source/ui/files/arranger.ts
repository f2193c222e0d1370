/** Makes orders of a table that grows, one at a time: the old one is shown until the next is finished. */
import {type FileOrder, orderFiles, type OrderOptions} from './order.js';
import type {FileTable} from './table.js';

export type Arranger = {
	readonly order: () => FileOrder | undefined;
	/** Makes a new order now, with other options where they are given; one that is being made is given up. */
	readonly arrange: (options?: OrderOptions) => void;
	/** Makes a new order of what has come meanwhile, if the last one is old enough. */
	readonly refresh: () => void;
	/** Forgets everything: there is another table. */
	readonly restart: (options: OrderOptions) => void;
	readonly close: () => void;
};

/** An order of what has come so far is made this often, milliseconds at the least. */
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
	/** An order is being made. What streams in does not start a second one: it would never come to an end. */
	let busy = false;
	/** Monotonic milliseconds; a long order counts as made later, or there would be time for nothing else. */
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
