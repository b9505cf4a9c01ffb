// The browser's database of photos, as requests and transactions that can be awaited.

let opening = /** @type {Promise<IDBDatabase> | null} */ (null);

/**
 * Wait for a request of the database.
 *
 * @template T
 * @param {IDBRequest<T>} request
 * @returns {Promise<T>}
 */
export const answerOf = (request) =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

function open() {
  opening ??= new Promise((resolve, reject) => {
    const request = indexedDB.open("scai", 1);
    request.onupgradeneeded = () => {
      request.result.createObjectStore("photos", { keyPath: "task" }).createIndex("time", "time");
    };
    request.onerror = () => {
      opening = null;
      reject(request.error);
    };
    request.onsuccess = () => {
      const db = request.result;
      db.onclose = () => (opening = null);
      db.onversionchange = () => {
        opening = null;
        db.close();
      };
      resolve(db);
    };
  });
  return opening;
}

/** @param {IDBTransactionMode} mode */
async function begin(mode) {
  try {
    return (await open()).transaction("photos", mode);
  } catch {
    opening = null; // the browser may have closed it
    return (await open()).transaction("photos", mode);
  }
}

/**
 * Run `work(photos)` in one transaction; it makes its requests at once, or after other requests of
 * it. What it wrote is on the disk when this resolves, so two tabs never overwrite each other's
 * entries. Rejects when there is no database, as in some private windows, or no room.
 *
 * @template T
 * @param {IDBTransactionMode} mode
 * @param {(photos: IDBObjectStore) => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function transact(mode, work) {
  const transaction = await begin(mode);
  /** @type {Promise<void>} */
  const over = new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error ?? new Error("aborted"));
  });
  const [value] = await Promise.all([work(transaction.objectStore("photos")), over]);
  return value;
}

/**
 * Delete the oldest entries beyond `max`.
 *
 * @param {IDBObjectStore} photos
 * @param {number} max
 */
export async function trim(photos, max) {
  const surplus = (await answerOf(photos.count())) - max;
  if (surplus <= 0) return;
  const oldest = await answerOf(photos.index("time").getAllKeys(null, surplus));
  for (const task of oldest) photos.delete(task);
}

/**
 * Remove the thumbnails of the `count` oldest entries that have one, to make room.
 *
 * @param {number} count
 */
export function dropOldThumbs(count) {
  return transact("readwrite", async (photos) => {
    let left = count;
    const request = photos.index("time").openCursor();
    /** @type {Promise<void>} */
    const over = new Promise((resolve, reject) => {
      request.onerror = () => reject(request.error);
      request.onsuccess = () => {
        const cursor = request.result;
        if (!cursor || left === 0) {
          resolve();
          return;
        }
        if (cursor.value.thumb) {
          left -= 1;
          cursor.update({ ...cursor.value, thumb: null });
        }
        cursor.continue();
      };
    });
    await over;
  });
}
