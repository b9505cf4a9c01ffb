// A photo that was removed by its page's form leaves this browser's list, too.

import { remove } from "./store.js";

remove(document.querySelector("#removed").dataset.task);
