// A photo that was removed by its page's form leaves this browser's list, too.

import { remove } from "../shared/store.js";

remove(document.querySelector("#removed").dataset.task);
