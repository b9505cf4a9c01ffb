// A photo that was removed by its page's form leaves this browser's list, too.

import { find } from "../shared/dom.js";
import { remove } from "../shared/store.js";

remove(find("#removed").dataset.task ?? "");
