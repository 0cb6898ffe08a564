package scenario

// builtinCategories gives the categories of a built-in distribution. The proportions are round figures in the spirit
// of published statistics on adults, good for illustration only: a study should state its own, with their source.
func builtinCategories(name string) []Category {
	switch name {
	case "age":
		return []Category{
			{"18-24", 0.15}, {"25-34", 0.21}, {"35-44", 0.19}, {"45-54", 0.17}, {"55-64", 0.14}, {"65 and over", 0.14},
		}
	case "gender":
		return []Category{{"female", 0.5}, {"male", 0.49}, {"non-binary", 0.01}}
	case "occupation":
		return []Category{
			{"student", 0.1}, {"teacher", 0.06}, {"nurse", 0.06}, {"engineer", 0.08}, {"shop assistant", 0.12},
			{"office clerk", 0.14}, {"tradesperson", 0.12}, {"driver", 0.07}, {"farmer", 0.06}, {"manager", 0.07},
			{"artist", 0.02}, {"retired", 0.1},
		}
	case "nationality":
		return []Category{
			{"Indian", 0.22}, {"Chinese", 0.22}, {"American", 0.1}, {"Indonesian", 0.08}, {"Pakistani", 0.07},
			{"Nigerian", 0.07}, {"Brazilian", 0.06}, {"Mexican", 0.05}, {"Japanese", 0.05}, {"German", 0.04}, {"British", 0.04},
		}
	case "education":
		return []Category{
			{"primary school", 0.2}, {"high school", 0.45}, {"bachelor's degree", 0.22}, {"master's degree", 0.1}, {"Ph.D.", 0.03},
		}
	}
	return nil
}
